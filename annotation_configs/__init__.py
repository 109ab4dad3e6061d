"""Labeling configs for Label Studio, one file per labeling task; `README.md` says which one to use."""
