"""Does active learning pay? Strategies replayed on known labels."""
