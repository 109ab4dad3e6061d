"""Data sets of common layouts -> samples; one file a layout."""
