"""The model's uncertainty about each item."""
