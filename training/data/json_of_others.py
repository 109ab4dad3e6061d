"""JSON files that hold labels but are not a COCO file: what they are, and what to do instead."""

from __future__ import annotations

from collections.abc import Mapping

LABEL_STUDIO = "Label Studio's own JSON export; choose COCO in Label Studio's export window and give that file."
SHORT = "Label Studio's JSON-MIN export; choose COCO in Label Studio's export window and give that file."
RESULTS = (
    "a list of COCO results, as detectors write them, without images and categories; make the list the "
    "annotations of a COCO file that also has images and categories."
)
ONE_IMAGE = (
    "the file of one image's shapes, as LabelMe and similar tools write it; convert the folder of these files "
    "to one COCO file with that tool's export."
)
VIA = "a project of the VGG Image Annotator; export the annotations as COCO there."
CREATE_ML = "a Create ML file; export the annotations as COCO JSON with the tool that wrote it."
GEO = "GeoJSON, as slide viewers write it; export the annotations as COCO JSON."
SUPERVISELY = "the file of one image's objects, as Supervisely writes it; export the project as COCO JSON there."


def described(content: object) -> str | None:
    """What a parsed JSON file is and what to do with it; None where nothing tells."""
    if isinstance(content, list):
        first = next((entry for entry in content if isinstance(entry, Mapping)), None)
        return None if first is None else _entry(first)
    return _whole(content) if isinstance(content, Mapping) else None


def _entry(first: Mapping[str, object]) -> str | None:
    """What a list is, by its first entry."""
    if "image_id" in first and ("bbox" in first or "segmentation" in first or "category_id" in first):
        return RESULTS
    if "data" in first and ({"annotations", "predictions", "completions"} & set(first)):
        return LABEL_STUDIO
    if {"annotation_id", "annotator", "lead_time"} & set(first):
        return SHORT
    if "image" in first and isinstance(first.get("annotations"), list):
        return CREATE_ML
    if first.get("type") == "Feature":
        return GEO
    return _whole(first)


def _whole(content: Mapping[str, object]) -> str | None:
    """What an object is."""
    if "shapes" in content and ("imagePath" in content or isinstance(content["shapes"], list)):
        return ONE_IMAGE
    if "_via_img_metadata" in content or "_via_settings" in content or _is_via(content):
        return VIA
    if content.get("type") in ("FeatureCollection", "Feature"):
        return GEO
    if "data" in content and ({"annotations", "predictions"} & set(content)):
        return LABEL_STUDIO
    if "objects" in content and "size" in content:
        return SUPERVISELY
    return None


def _is_via(content: Mapping[str, object]) -> bool:
    """The older form: one entry a picture, under its name and size."""
    first = next(iter(content.values()), None)
    return isinstance(first, Mapping) and "regions" in first and "filename" in first
