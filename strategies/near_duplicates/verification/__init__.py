"""Decides whether two images show the same specimen: by local features, an affine fit and the pixels under it, never by
cosine."""
