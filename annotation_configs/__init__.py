"""Labeling configs for Label Studio, one file a labeling job; `README.md` says which to take."""
