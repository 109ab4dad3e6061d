"""What a project asks for: one kind a file."""
