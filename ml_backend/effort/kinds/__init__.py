"""One file for each kind of project: what its models proposed on an image, as marks to compare with."""
