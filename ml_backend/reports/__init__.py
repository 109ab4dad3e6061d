"""Reports for the lead of a project."""
