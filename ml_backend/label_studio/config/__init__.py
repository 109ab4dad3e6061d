"""Labeling config (XML) -> the labeling job that PapLoop supports."""

from ml_backend.label_studio.config.job import LabelingJob
from ml_backend.label_studio.config.parse import parse_label_config

__all__ = ["LabelingJob", "parse_label_config"]
