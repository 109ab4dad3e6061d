"""The lists of a COCO file: ids in any notation, repeated ids and names, and files that are something else."""

from __future__ import annotations

import codecs
import json
from pathlib import Path
from typing import Any

import pytest

from tests.training.data.sources import coco, coco_content
from training.data.coco import read_coco
from training.data.values import id_key
from training.types import TrainingError


def categories(*pairs: tuple[Any, Any]) -> list[dict[str, Any]]:
    return [{"id": number, "name": name} for number, name in pairs]


@pytest.mark.parametrize(
    ("one", "two"),
    [(1, "1"), (1, 1.0), ("1.0", 1), ("1.000000e+00", 1), (" 7 ", "7"), ("007", 7), (10**25, str(10**25)), ("a", "a ")],
)
def test_ids_that_are_the_same(one: Any, two: Any) -> None:
    assert id_key(one) == id_key(two) is not None


@pytest.mark.parametrize(
    ("one", "two"), [("9007199254740993", 9007199254740992), ("a", "b"), ("1.5", 1), ("1e999999999", 1), ("٣", 3)]
)
def test_ids_that_are_not(one: Any, two: Any) -> None:
    assert id_key(one) != id_key(two)


@pytest.mark.parametrize("value", [None, True, [1], {}, "", " ", float("nan")])
def test_what_is_no_id(value: Any) -> None:
    assert id_key(value) is None


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        (categories((1, "cell"), (1, "debris")), "the same id 1: cell and debris"),
        (categories((1, "cell"), ("1.0", "debris")), "the same id 1"),
        (categories((1, "cell"), (2, "cell ")), "same name, cell"),
        (categories((1, "cell"), (2, " ")), "id 2 has no name"),
        (categories((1, "cell"), (2, None)), "id 2 has no name"),
        ([], "has no categories"),
        ([7, {"id": None, "name": "cell"}], "has no categories"),
    ],
)
def test_categories_that_would_mix_up_classes_are_refused(tmp_path: Path, listed: list[Any], said: str) -> None:
    with pytest.raises(TrainingError, match=said):
        read_coco(coco(tmp_path, coco_content() | {"categories": listed}))


def test_a_category_that_stands_there_twice_is_one(tmp_path: Path) -> None:
    listed = categories((1, "cell"), (2, "debris"), (1, "cell"))
    data = read_coco(coco(tmp_path, coco_content() | {"categories": listed}))
    assert data.classes == ("cell", "debris")
    assert not data.left_out.lost


def test_images_of_one_id_are_left_out_and_the_rest_goes_on(tmp_path: Path) -> None:
    content = coco_content()
    content["images"][1]["id"] = "1"
    content["annotations"][2]["image_id"] = 3
    data = read_coco(coco(tmp_path, content))
    assert data.left_out.images == {"two images have one id": 2}
    assert [image.name for image in data.images] == ["c.png"]
    # Now one annotation has no image, so nobody knows whether the third image is empty.
    content["annotations"][2]["image_id"] = 2
    with pytest.raises(TrainingError, match="No image of"):
        read_coco(coco(tmp_path, content))


@pytest.mark.parametrize(
    ("size", "said"),
    [
        ({"height": "unknown"}, "height or width of a.png cannot be read"),
        ({"width": True}, "cannot be read"),
        ({"height": [30]}, "cannot be read"),
        ({"height": "60.0"}, "a.png is 40 x 30 px, its annotations are for 40 x 60"),
        ({"height": 40, "width": 30}, "are for 30 x 40"),
    ],
)
def test_an_image_of_no_size_or_another_is_left_out(tmp_path: Path, size: dict[str, Any], said: str) -> None:
    content = coco_content()
    content["images"][0] |= size
    data = read_coco(coco(tmp_path, content))
    assert [image.name for image in data.images] == ["b.png", "c.png"]
    assert said in data.problems[0]


@pytest.mark.parametrize("size", [{"height": None, "width": 0}, {"height": "", "width": "40.0"}])
def test_sides_that_say_nothing_are_passed_over(tmp_path: Path, size: dict[str, Any]) -> None:
    content = coco_content()
    content["images"][0] |= size
    assert len(read_coco(coco(tmp_path, content)).images) == 3


@pytest.mark.parametrize(
    ("mark", "encoding"), [(codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (b"", "utf-8")]
)
def test_byte_order_marks(tmp_path: Path, mark: bytes, encoding: str) -> None:
    root = coco(tmp_path)
    (root / "annotations.json").write_bytes(mark + json.dumps(coco_content()).encode(encoding))
    assert len(read_coco(root).images) == 3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([{"id": 1, "data": {"image": "a"}, "annotations": []}], "Label Studio's own JSON export"),
        ([{"image": "a", "id": 1, "annotator": 1, "annotation_id": 2}], "Label Studio's JSON-MIN export"),
        ([{"image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9], "score": 0.9}], "list of COCO results"),
        ({"shapes": [], "imagePath": "a.png"}, "LabelMe"),
        ({"_via_settings": {}, "_via_img_metadata": {}}, "VGG Image Annotator"),
        ({"a.png123": {"filename": "a.png", "size": 123, "regions": []}}, "VGG Image Annotator"),
        ([{"image": "a.png", "annotations": [{"label": "x", "coordinates": {}}]}], "Create ML"),
        ({"type": "FeatureCollection", "features": []}, "GeoJSON"),
        ({"objects": [], "size": {"height": 1, "width": 1}}, "Supervisely"),
        ({"images": [], "categories": [{"id": 1, "name": "A"}]}, "it has no list annotations"),
        ([], "it has no list images and no list annotations"),
        (7, "it has no list images"),
    ],
)
def test_json_of_other_tools_is_named(tmp_path: Path, content: Any, said: str) -> None:
    root = coco(tmp_path)
    (root / "annotations.json").write_text(json.dumps(content))
    with pytest.raises(TrainingError, match=f"is not a COCO file.*{said}"):
        read_coco(root)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"a": ' + "1" * 5000 + "}", "\ufeff"])
def test_what_is_no_json_is_one_sentence(tmp_path: Path, text: str) -> None:
    root = coco(tmp_path)
    (root / "annotations.json").write_text(text)
    with pytest.raises(TrainingError, match="is not a COCO file: it"):
        read_coco(root)
