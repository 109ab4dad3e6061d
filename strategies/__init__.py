"""Acquisition strategies: arrays in, an order out."""
