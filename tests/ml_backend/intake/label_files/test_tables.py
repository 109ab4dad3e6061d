"""Which column of a table is which, and what its lines say."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml_backend.errors import BadRequest
from ml_backend.intake.label_files.tables import Words, lines_of, table_rows
from training.types import TrainingError

CATS = Words(("Cat", "Dog"), ("choice",), ("image",), lambda cell: cell.startswith("cell"))
HEADER = "image,id,{0},annotator,annotation_id,created_at,updated_at,lead_time\n"
BOOKS = "1,11,2024-01-01,2024-01-01,3.2\n"


def read(tmp_path: Path, text: str, words: Words = CATS, name: str = "labels.csv") -> list[tuple[str, str]]:
    (tmp_path / name).write_bytes(text.encode())
    return [(line.name, line.label) for line in lines_of(name, table_rows(tmp_path / name), words)[0]]


@pytest.mark.parametrize(
    "text",
    [
        "cell0.png,Cat\ncell1.png,Dog\n",
        "Cat;cell0.png\nDog;cell1.png\n",
        "file\tlabel\ncell0.png\tCat\ncell1.png\tDog\n",
        "\ufeffLabel,Image\r\nCat,cell0.png\r\nDog,cell1.png\r\n",
        HEADER.format("choice") + f"cell0.png,1,Cat,{BOOKS}cell1.png,2,Dog,{BOOKS}",
        HEADER.format("grade") + f"cell0.png,1,Cat,{BOOKS}cell1.png,2,Dog,{BOOKS}",
        HEADER.format("grade") + f'cell0.png,1,"{{""choices"": [""Cat""]}}",{BOOKS}cell1.png,2,Dog,{BOOKS}',
        "patient,diagnosis,slide\n7,Cat,cell0.png\n8,Dog,cell1.png\n",
        "task,image,label,left_out,split\n1,cell0.png,Cat,,train\n2,cell1.png,Dog,,train\n3,cell2.png,,skipped,\n",
    ],
)
def test_tables_that_say_the_same(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == [("cell0.png", "Cat"), ("cell1.png", "Dog")]


def test_numbers_of_tasks_are_no_classes(tmp_path: Path) -> None:
    grades = Words(("1", "2", "3"), ("choice",), ("image",), lambda cell: cell.startswith("cell"))
    text = HEADER.format("grade") + f"cell0.png,1,3,{BOOKS}cell1.png,2,3,{BOOKS}cell2.png,3,1,{BOOKS}"
    assert read(tmp_path, text, grades) == [("cell0.png", "3"), ("cell1.png", "3"), ("cell2.png", "1")]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("image,first,second\ncell0.png,Cat,Dog\n", "label"),
        ("image,remark\ncell0.png,blurred\n", "label"),
        ("a,b\n1,2\n", "image"),
        ("slide,label\nx,Cat\n", "image"),
    ],
)
def test_a_header_that_does_not_say_it_is_refused(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(BadRequest, match=rf"none of them is clearly the {what}. Name the columns image and label"):
        read(tmp_path, text)


def test_quotes_line_breaks_and_marks(tmp_path: Path) -> None:
    text = 'file,label\n"a\nb.png",Cat\n"c\u2028d.png",Dog\n"say ""so"", now.png",Cat\n'
    assert [name for name, _ in read(tmp_path, text)] == ["a\nb.png", "c\u2028d.png", 'say "so", now.png']


def test_lines_that_say_nothing_are_counted(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('file,label\ncell0.png\n,Cat\ncell1.png,\ncell2.png,"[""Cat"", ""Dog""]"\n')
    lines, problems, _ = lines_of("t.csv", table_rows(tmp_path / "t.csv"), CATS)
    assert not lines
    assert [sentence.split(" of ")[0] for sentence in problems] == ["Line 2, 3", "Line 5", "1 lines"]


def test_other_text_encodings(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("file\tlabel\ncell0.png\tCat\n", encoding="utf-16")
    assert len(lines_of("t.tsv", table_rows(tmp_path / "t.tsv"), CATS)[0]) == 1
    (tmp_path / "t.csv").write_bytes(b"file,label\ncaf\xe9.png,Cat\n")
    with pytest.raises(TrainingError, match="UTF-8"):
        lines_of("t.csv", table_rows(tmp_path / "t.csv"), CATS)
