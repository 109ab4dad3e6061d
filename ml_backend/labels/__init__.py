"""Confirmed labels: what experts have labeled so far."""
