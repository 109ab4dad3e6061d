"""Do two images show the same thing? Local features, an affine fit and the pixels under it decide; cosine never."""
