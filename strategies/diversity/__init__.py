"""How well a batch covers the pool; needs no model."""
