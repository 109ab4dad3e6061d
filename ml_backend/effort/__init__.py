"""Work saved by pre-annotations: which regions were kept, corrected, added or deleted, and how long it took."""
