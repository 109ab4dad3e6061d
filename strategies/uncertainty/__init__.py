"""How unsure the model is, item by item."""
