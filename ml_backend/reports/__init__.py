"""What a lead reads."""
