"""Confirmed labels: what experts have said so far."""
