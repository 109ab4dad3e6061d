"""How good a model is, how far to trust its probabilities, and whether it may replace another."""
