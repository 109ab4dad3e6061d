"""Numerics that several strategies share."""
