"""Uncertainty and coverage together."""
