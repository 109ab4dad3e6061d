"""Label Studio's regions <-> pixels: pure functions; nothing here knows HTTP, SQL or models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Result = Mapping[str, Any]
"""One region of an annotation or a prediction as Label Studio writes it. Free-form JSON: each control has fields of its
own, editors and scripts add more, and whatever PapLoop does not know has to come back as it was."""
