"""What pre-annotations spare an expert: which regions were kept, corrected, added, deleted, and how long it took."""
