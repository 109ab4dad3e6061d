"""From label to model to order."""
