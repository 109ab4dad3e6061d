"""Training jobs of a run: files in, files out."""
