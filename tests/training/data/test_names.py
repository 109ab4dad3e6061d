"""One lookup: what a name of another program means, and when nobody can know."""

from __future__ import annotations

import base64

import pytest

from training.data.names import NameIndex


def index(*names: str, shorter: bool = True) -> NameIndex:
    return NameIndex([(name, key) for key, name in enumerate(names)], shorter=shorter)


S3 = base64.b64encode(b"s3://bucket/slides/my cell 1.png").decode()


@pytest.mark.parametrize(
    "asked",
    [
        "my cell 1.png",
        "images/my cell 1.png",
        "images\\my cell 1.png",
        "C:\\data\\images\\my cell 1.png",
        "my%20cell%201.png",
        "images/20884add__my%20cell%201.png",
        "20884add-my_cell_1.png",
        "images/0a1b2c3d__20884add-my_cell_1.png",
        "/data/upload/3/20884add-my_cell_1.png",
        "/data/local-files/?d=slides/my%20cell%201.png",
        "https://host/x/my%20cell%201.png?X-Amz-Signature=a/b.png",
        "s3://bucket/slides/my cell 1.png",
        f"/tasks/7/resolve/?fileuri={S3}",
        "MY CELL 1.PNG",
        "my cell 1",
        "20884add-my_cell_1",
    ],
)
def test_one_image_under_the_names_that_programs_give_it(asked: str) -> None:
    assert index("other.png", "my cell 1.png", "cell 1.png").find(asked).key == 1


@pytest.mark.parametrize(
    ("stored", "asked"),
    [
        ("Zellko\u0308rper.png", "Zellk\u00f6rper.png"),
        ("Zellk\u00f6rper.png", "images/Zellko%CC%88rper.png"),
        ("a#1?.png", "a#1?.png"),
        ("50%25.png", "50%25.png"),
        ("a (2).png", "1234abcd-a_2.png"),
        ("1234abcd-a_b.png", "a b.png"),
        ("sub/a.png", "a.png"),
        ("a\nb.png", "a\nb.png"),
        ("back\\slash.png", "back\\slash.png"),
    ],
)
def test_pairs(stored: str, asked: str) -> None:
    assert index("z.png", stored).find(asked).key == 1


def test_a_name_that_fits_as_it_stands_is_not_read_in_another_way() -> None:
    names = index("a%20b.png", "a b.png", "A B.png", "1234abcd-a b.png")
    assert [names.find(asked).key for asked in ("a%20b.png", "a b.png", "A B.png", "1234abcd-a b.png")] == [0, 1, 2, 3]


def test_several_that_fit_are_named_and_none_is_taken() -> None:
    found = index("A.png", "a.png").find("a.PNG")
    assert found.key is None
    assert "matches 2 images (A.png, a.png)" in found.why_not("a.PNG")
    assert index("x/a.png", "y/a.png").find("a.png").key is None
    assert index("cell.png", "cell.jpg").find("cell").key is None
    assert index("train/a.png", "A.png").find("train/A.png").key is None
    assert "there is no image b.png" in index("a.png").find("b.png").why_not("b.png")


def test_numbers_of_patients_are_no_prefix() -> None:
    names = index("12345678-1.png", "2.png")
    assert names.find("87654321-1.png").key is None
    assert names.find("12345678-2.png").key == 1
    names.expect(["12345678-2.png", "87654321-2.png"])
    assert names.find("12345678-2.png").key is None


def test_what_two_entries_share_says_nothing_about_either() -> None:
    names = index("1.png", "b/2.png")
    names.expect(["x/1.png", "y/1.png", "b/2.png", "b/2.png"])
    assert names.find("x/1.png").key is None
    assert names.find("b/2.png").key == 1


def test_files_of_a_folder_are_not_found_by_their_last_part_alone() -> None:
    names = index("val/a.png", "b.png", shorter=False)
    assert names.find("a.png").key is None
    assert names.find("images/b.png").key == 1
    assert names.find("images\\val\\a.png").key == 0


@pytest.mark.parametrize("asked", ["", "/", ".", "..", "http://[", "a" * 5000, "%", "%ff.png", "\udce9.png", "?d="])
def test_nothing_breaks_it(asked: str) -> None:
    assert index("a.png").find(asked).key is None
