"""Ways to train a classifier: one file each, found by its name."""
