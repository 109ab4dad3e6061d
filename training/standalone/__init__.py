"""Fit, measure and predict from folders, without a service: what `paploop fit`, `evaluate` and `predict` do."""
