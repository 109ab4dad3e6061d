import json
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from ml_backend.cli import build_app
from ml_backend.duplicates import shelf
from ml_backend.duplicates.contact_sheet import write_contact_sheet
from ml_backend.duplicates.reading import image_files
from ml_backend.duplicates.search import Plan, find_duplicates
from ml_backend.errors import BadRequest, NotFound
from tests.strategies.near_duplicates.specimens import copies, specimen
from training.types import Progress


def stage(_title: str) -> Progress:
    return lambda _fraction, _message: None


def save(image: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three specimens with copies, six without, one exact copy under another class, three broken files."""
    root = tmp_path_factory.mktemp("images")
    for seed in range(3):
        image = specimen(seed)
        save(image, root / "normal" / f"{seed}.png")
        for kind, versions in copies(image).items():
            save(versions[-1], root / "normal" / f"{seed}-{kind}.png")
    for seed in range(50, 56):
        save(specimen(seed), root / "other" / f"{seed}.png")
    (root / "abnormal").mkdir()
    (root / "abnormal" / "copy <b>.png").write_bytes((root / "other" / "50.png").read_bytes())
    Image.open(root / "other" / "51.png").save(root / "other" / "51-same.bmp")
    whole = (root / "other" / "52.png").read_bytes()
    (root / "other" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (root / "other" / "empty.jpg").write_bytes(b"")
    (root / "other" / "text.tif").write_text("no image")
    (root / ".hidden").mkdir()
    save(specimen(50), root / ".hidden" / "50.png")
    return root


@pytest.mark.slow
def test_groups_relations_conflicts_and_broken_files(folder: Path) -> None:
    found = find_duplicates(folder, Plan(), stage).as_dict()
    assert set(found) == {"images", "groups", "conflicts", "unreadable"}
    assert found["images"] == 3 + 21 + 6 + 1 + 1 + 3
    assert [entry["path"] for entry in found["unreadable"]] == ["other/cut.png", "other/empty.jpg", "other/text.tif"]
    assert all(entry["reason"] for entry in found["unreadable"])
    groups = {frozenset([g["representative"], *(m["path"] for m in g["members"])]): g for g in found["groups"]}
    for seed in range(3):
        names = {f"normal/{seed}.png", *(f"normal/{seed}-{kind}.png" for kind in copies(specimen(0)))}
        assert frozenset(names) in groups
    exact = groups[frozenset(["abnormal/copy <b>.png", "other/50.png"])]
    assert exact["members"] == [{"path": "other/50.png", "relation": "exact-bytes", "similarity": 1.0}]
    pixels = groups[frozenset(["other/51-same.bmp", "other/51.png"])]
    assert pixels["members"][0]["relation"] == "exact-pixels"
    assert len(groups) == 5
    assert found["conflicts"] == [{"paths": ["abnormal/copy <b>.png", "other/50.png"], "labels": ["abnormal", "other"]}]


@pytest.mark.slow
def test_the_order_of_work_and_the_number_of_threads_change_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = find_duplicates(folder, Plan(), stage).as_dict()
    monkeypatch.setattr(shelf, "IN_MEMORY", 10)
    assert find_duplicates(folder, Plan(threads=3), stage).as_dict() == once


@pytest.mark.slow
def test_groups_of_copies_stay_apart_unless_asked(tmp_path: Path) -> None:
    image = specimen(3)
    for name, version in (("a1", image), ("a2", image), ("b1", image[:, ::-1].copy()), ("b2", image[:, ::-1].copy())):
        save(version, tmp_path / f"{name}.png")
    apart = find_duplicates(tmp_path, Plan(), stage)
    assert [sorted(group.paths) for group in apart.groups] == [["a1.png", "a2.png"], ["b1.png", "b2.png"]]
    assert [(kin.first, kin.second, kin.relation) for kin in apart.kin] == [("a1.png", "b1.png", "mirrored")]
    joined = find_duplicates(tmp_path, Plan(join_copies=True), stage)
    assert [sorted(group.paths) for group in joined.groups] == [["a1.png", "a2.png", "b1.png", "b2.png"]]
    exact = find_duplicates(tmp_path, Plan(exact_only=True), stage)
    assert len(exact.groups) == 2
    assert exact.kin == []


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="no image"):
        image_files(tmp_path)
    with pytest.raises(NotFound, match="check the path"):
        image_files(tmp_path / "nowhere")


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2])
def test_a_folder_of_one_or_two_images_works(tmp_path: Path, count: int) -> None:
    for seed in range(count):
        save(specimen(seed), tmp_path / f"{seed}.png")
    report = find_duplicates(tmp_path, Plan(), stage)
    assert (report.images, list(report.groups)) == (count, [])


def test_all_files_broken_is_still_an_answer(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(random.Random(0).randbytes(100))
    report = find_duplicates(tmp_path, Plan(), stage)
    assert (report.images, len(report.groups), len(report.unreadable)) == (1, 0, 1)


@pytest.mark.slow
def test_the_contact_sheet_shows_every_group_and_escapes_names(folder: Path, tmp_path: Path) -> None:
    report = find_duplicates(folder, Plan(exact_only=True), stage)
    page = tmp_path / "deep" / "sheet.html"
    write_contact_sheet(report, folder, page, lambda _f, _m: None)
    text = page.read_text()
    assert text.count("<img") == 4
    assert "copy &lt;b&gt;.png" in text
    assert "copy <b>" not in text
    assert "different labels" in text
    assert "cut.png" in text


@pytest.mark.slow
def test_the_command_answers_json_on_standard_output_alone(folder: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.html"
    result = CliRunner().invoke(build_app(), ["duplicates", str(folder), "--exact", "--json", "--html", str(sheet)])
    assert result.exit_code == 0
    assert len(json.loads(result.stdout)["groups"]) == 2
    assert sheet.is_file()
    people = CliRunner().invoke(build_app(), ["duplicates", str(folder), "--exact"])
    assert "Different labels" in people.stdout
    assert "1 conflicts" in people.stdout


@pytest.mark.shared_data
def test_augmented_fields_and_duplicate_traps(shared_data: Path) -> None:
    report = find_duplicates(shared_data / "lbc_augmented_variants", Plan(threads=2), stage)
    pairs = {(a, b) for group in report.groups for a in group.paths for b in group.paths if a < b}
    right = sum(a.split("/")[0] == b.split("/")[0] for a, b in pairs)
    assert right / 259 >= 0.95
    assert right / len(pairs) >= 0.99
    traps = shared_data / "oral_duplicate_traps"
    listed: dict[int, set[str]] = {}
    clashing = set()
    for entry in json.loads((traps / "groups.json").read_text()):
        listed.setdefault(entry["group"], set()).add(entry["file"])
        clashing |= {entry["group"]} if entry["conflict"] else set()
    report = find_duplicates(traps, Plan(threads=2), stage)
    assert {frozenset(group.paths) for group in report.groups} == {frozenset(files) for files in listed.values()}
    assert {frozenset(c.paths) for c in report.conflicts} == {frozenset(listed[number]) for number in clashing}


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["crc_tissue_patches", "pbc_blood_cells", "malaria_cells"])
def test_sets_without_duplicates_stay_without(shared_data: Path, name: str) -> None:
    assert not find_duplicates(shared_data / name, Plan(threads=2), stage).groups
