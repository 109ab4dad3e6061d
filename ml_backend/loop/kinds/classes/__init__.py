"""The loop for projects in which an image has one class: a manifest, judging, predicting, proposing."""
