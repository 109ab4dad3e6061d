"""The HTTP face of PapLoop."""
