"""What a lead asks for, on top of any other strategy."""
