"""Pool and test part, oracles, reports: the arithmetic of a simulation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ml_backend.errors import BadRequest, NotFound
from ml_backend.experiments.simulate.grouped import Parts, given_parts, lay_out, leak_groups, split
from ml_backend.experiments.simulate.oracle import NO_PARTS, Oracle, mistaken, read_oracle
from ml_backend.experiments.simulate.report import summarise, verdict
from ml_backend.experiments.simulate.study import Bench, Curve, Point, Study


def test_numbered_groups_within_the_gap_are_one() -> None:
    names = ["a/100-1.png", "b/200-1.png", "a/260-9.png", "a/500-1.png"]
    assert leak_groups(names, r"^(\d+)-", 0) == ["100", "200", "260", "500"]
    assert leak_groups(names, r"^(\d+)-", 100) == ["100", "100", "100", "500"]
    with pytest.raises(BadRequest, match="'x' is not one"):
        leak_groups(["x"], "", 5)


@settings(max_examples=40, deadline=None)
@given(
    groups=st.lists(st.integers(0, 12), min_size=8, max_size=80).filter(lambda g: len(set(g)) > 1),
    fraction=st.floats(0.1, 0.6),
)
def test_no_group_is_on_both_sides_and_nothing_is_lost(groups: list[int], fraction: float) -> None:
    names = [f"{place}.png" for place in range(len(groups))]
    labels = ["ab"[place % 2] for place in range(len(groups))]
    keys = [str(group) for group in groups]
    parts = split(names, labels, keys, fraction, seed=0)
    side = dict(zip(names, keys, strict=True))
    assert not {side[n] for n in parts.pool} & {side[n] for n in parts.test}
    assert sorted(parts.pool + parts.test) == sorted(names)
    assert parts == split(names, labels, keys, fraction, seed=0)


def test_one_group_cannot_be_split() -> None:
    with pytest.raises(BadRequest, match="one group"):
        split(["a", "b"], ["x", "y"], ["g", "g"], 0.3, seed=0)


def test_the_pool_folder_holds_exactly_the_pool(tmp_path: Path) -> None:
    for name in ("a/1.png", "a/2.png", "b/3.png"):
        path = tmp_path / "all" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    lay_out(tmp_path / "all", ["a/1.png", "b/3.png"], tmp_path / "pool")
    lay_out(tmp_path / "all", ["a/2.png", "b/3.png"], tmp_path / "pool")
    found = {p.relative_to(tmp_path / "pool").as_posix(): p.read_text() for p in (tmp_path / "pool").rglob("*.png")}
    assert found == {"a/2.png": "a/2.png", "b/3.png": "b/3.png"}


def test_oracles_from_folders_and_tables(tmp_path: Path) -> None:
    (tmp_path / "cells" / "round").mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(tmp_path / "cells" / "round" / "1.png")
    oracle = read_oracle(tmp_path / "cells")
    assert (oracle.label_of("round/1.png"), oracle.label_of("2.png"), oracle.classes()) == ("round", None, ["round"])
    table = tmp_path / "truth.csv"
    table.write_text("image,label\n1.png,flat\n,\n")
    assert read_oracle(table).label_of("some/where/1.png") == "flat"


def test_a_split_of_the_folder_itself_is_the_split(tmp_path: Path) -> None:
    for name in ("Train/round/1.png", "Train/flat/2.png", "valid/round/3.png", "TEST/flat/4.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    oracle = read_oracle(tmp_path)
    assert (oracle.classes(), oracle.label_of("valid/round/3.png")) == (["flat", "round"], "round")
    parts = given_parts(sorted(oracle.truth), oracle.folders)
    assert parts is not None
    assert (parts.test, len(parts.pool)) == (("TEST/flat/4.png",), 3)
    assert given_parts(["round/1.png", "flat/2.png"], NO_PARTS) is None


@pytest.mark.parametrize(
    ("content", "sentence"), [("a,b\n1,2\n", "columns image and label"), ("image,label\n", "contains no labels")]
)
def test_a_table_without_truth_gets_a_sentence(tmp_path: Path, content: str, sentence: str) -> None:
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(BadRequest, match=sentence):
        read_oracle(tmp_path / "t.csv")
    with pytest.raises(NotFound, match="Check the path"):
        read_oracle(tmp_path / "nowhere")


def test_an_expert_errs_at_the_rate_asked_for() -> None:
    rng = np.random.default_rng(0)
    answers = [mistaken("a", ["a", "b", "c"], 0.3, rng) for _ in range(2000)]
    assert abs(np.mean([answer != "a" for answer in answers]) - 0.3) < 0.04
    assert mistaken("a", ["a"], 1.0, rng) == "a"


def test_the_summary_averages_over_seeds_and_says_who_won(tmp_path: Path) -> None:
    def curve(name: str, seed: int, first: float) -> Curve:
        points = [Point(20 * k, 16 * k, k, "promoted", first + 0.1 * k, first + 0.1 * k, first) for k in (1, 2)]
        return Curve(name, seed, 1, points, agreed=0.5)

    curves = [curve("entropy", 0, 0.3), curve("entropy", 1, 0.4), curve("uniform", 0, 0.2), curve("uniform", 1, 0.2)]
    empty = np.zeros((0, 2), dtype=np.float32)
    bench = Bench(tmp_path, ("a", "b"), Oracle({"x": "a"}), Parts(("x",), ("y",)), (), empty, np.zeros(0, np.int64))
    summary = summarise(Study(tmp_path, ("entropy", "uniform"), seeds=2), bench, curves)
    assert summary.strategies["entropy"].macro_f1 == pytest.approx([0.45, 0.55])
    assert summary.strategies["uniform"].sd == pytest.approx([0.0, 0.0])
    assert summary.verdict.startswith("entropy reached 0.550 after 40 labels")
    assert len(summary.table()[1]) == 4
    summary.plot(tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.size[0] > 500
    assert "more labels" in verdict({})
