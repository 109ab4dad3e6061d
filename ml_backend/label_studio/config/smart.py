"""Whether a labeling config has smart tools: tags that ask the ML backend for an outline."""

from __future__ import annotations

from ml_backend.errors import LabelConfigError
from ml_backend.label_studio.config.tags import parse_tags


def has_smart_tools(xml: str) -> bool:
    """Whether any control of a labeling config is marked `smart="true"`; False where it cannot be read."""
    try:
        return any(tag.says("smart") or tag.says("smartOnly") for tag in parse_tags(xml).walk())
    except LabelConfigError:
        return False
