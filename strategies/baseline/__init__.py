"""What every other strategy must beat."""
