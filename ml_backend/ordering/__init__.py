"""Which image next."""
