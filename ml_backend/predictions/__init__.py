"""Predictions of models, and how they reach Label Studio."""
