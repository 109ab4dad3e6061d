"""A simulated expert, to measure whether the loop pays."""
