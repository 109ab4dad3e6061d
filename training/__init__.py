"""Training, prediction and embedding: files in, files out."""
