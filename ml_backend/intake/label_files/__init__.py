"""Labels that exist already -> annotations or pre-annotations of a project."""
