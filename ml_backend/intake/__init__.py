"""Images and existing labels come in."""
