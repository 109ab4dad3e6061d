"""The only importer of detectron2: shims first, then the names that the rest of the engine uses.

Works with `pb1-detectron2` 0.6 (its C++ part missing) and with Detectron2 from GitHub; each shim acts only where
something is missing. What 0.6 needs on today's packages: `PIL.Image.LINEAR` (gone in Pillow 10), `pkg_resources`
(gone in setuptools 81), a module `detectron2._C` to import (nothing here calls it), and silence about renamed torch
functions.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import warnings
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from PIL import Image

from training.types import TrainingError


def prepare() -> None:
    """Put in place what Detectron2 expects of its surroundings; may be called again.

    Raises:
        TrainingError: Detectron2 is not installed.
    """
    if importlib.util.find_spec("detectron2") is None:
        raise TrainingError("Detectron2 is not installed. Run tools/install_detectron2.sh, then try again.")
    if not hasattr(Image, "LINEAR"):
        Image.LINEAR = Image.Resampling.BILINEAR  # type: ignore[attr-defined]  # the name that 0.6 asks for
    if "pkg_resources" not in sys.modules and importlib.util.find_spec("pkg_resources") is None:
        _stub("pkg_resources").resource_filename = _resource_filename  # type: ignore[attr-defined]
    if "detectron2._C" not in sys.modules and importlib.util.find_spec("detectron2._C") is None:
        _stub("detectron2._C")


def _stub(name: str) -> ModuleType:
    module = ModuleType(name)
    # find_spec raises ValueError on a module in sys.modules that has no spec.
    module.__spec__ = ModuleSpec(name, loader=None)
    sys.modules[name] = module
    return module


def _resource_filename(package: str, name: str) -> str:
    """What `pkg_resources.resource_filename` returns for a package on disk."""
    file = importlib.import_module(package).__file__
    return str(Path(file or "").parent / name)


prepare()

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from detectron2.config import CfgNode, get_cfg
    from detectron2.layers import ShapeSpec
    from detectron2.modeling import (
        BACKBONE_REGISTRY,
        FPN,
        META_ARCH_REGISTRY,
        PROPOSAL_GENERATOR_REGISTRY,
        ROI_HEADS_REGISTRY,
        Backbone,
        RetinaNet,
        StandardROIHeads,
        build_model,
    )
    from detectron2.modeling.anchor_generator import ANCHOR_GENERATOR_REGISTRY, DefaultAnchorGenerator
    from detectron2.modeling.proposal_generator import RPN
    from detectron2.modeling.proposal_generator.proposal_utils import add_ground_truth_to_proposals
    from detectron2.structures import Boxes, ImageList, Instances, pairwise_iou
    from detectron2.utils.events import EventStorage

__all__ = [
    "ANCHOR_GENERATOR_REGISTRY",
    "BACKBONE_REGISTRY",
    "FPN",
    "META_ARCH_REGISTRY",
    "PROPOSAL_GENERATOR_REGISTRY",
    "ROI_HEADS_REGISTRY",
    "RPN",
    "Backbone",
    "Boxes",
    "CfgNode",
    "DefaultAnchorGenerator",
    "EventStorage",
    "ImageList",
    "Instances",
    "RetinaNet",
    "ShapeSpec",
    "StandardROIHeads",
    "add_ground_truth_to_proposals",
    "build_model",
    "get_cfg",
    "pairwise_iou",
]
