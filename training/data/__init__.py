"""Images, manifests and splits: what a training job reads."""
