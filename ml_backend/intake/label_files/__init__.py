"""Existing labels -> annotations or pre-annotations of a project."""
