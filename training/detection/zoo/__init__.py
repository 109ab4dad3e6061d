"""Weights of Detectron2's model zoo."""
