"""Detectron2 behind one bridge."""
