"""Shapes in pixels: boxes, run-length masks, polygons; memory is bounded by the object, never instances x image."""
