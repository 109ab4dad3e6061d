"""Runs one field case, a folder with a `case.json` and its inputs, and tells what differs from what it expects.

`case.json` has a `kind`:
  import   `steps` import label files into a project with the images `pool` and the labeling `config`
  image    each of `files` is decoded: its size, the picture it must resemble, or what a refusal says
  config   each of `configs` is parsed: its classes, or what a refusal says
  command  `steps` of the command line with a fake Label Studio: exit status and what is printed
  regions  annotations are read; a region that cannot be used must not count as searched background
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
from PIL import Image

from ml_backend.cli import exit_code
from ml_backend.intake.label_files.importing import import_labels
from ml_backend.label_studio.config import parse_label_config
from ml_backend.labels.object_regions import objects_on
from ml_backend.services import Services
from ml_backend.settings import Settings
from ml_backend.state.files import DataDir
from ml_backend.state.store import Store
from ml_backend.web.app import create_app
from tests.fakes.label_studio import LEGACY, FakeLabelStudio
from tests.fakes.progress import quiet
from tests.fakes.world import Studio
from tests.field_cases.preparations import PREPARATIONS
from training.data.images import image_size, load_rgb

Case = dict[str, Any]

PYTHON_SPEAK = (
    r"invalid literal|not enough values|too many values|object is not|could not convert|NoneType|must be integers|"
    r"list indices|StopIteration|unhashable|Errno|codec can't"
)
"""What no user should have to read."""


def said_or_crash(error: Exception, wanted: str | None, what: str) -> list[str]:
    """What is wrong with an error: nothing where it is a sentence for users that says what it should."""
    if exit_code(error) is None:
        return [f"{what}: crash: {type(error).__name__}: {error}"]
    return [] if wanted and re.search(wanted, str(error)) else [f"{what}: refused: {error}"]


def run_import(case: Case, home: Path, tmp: Path) -> list[str]:
    """Import label files and look at the annotations that the fake then holds."""
    studio = Studio.begin(tmp / "state", case["config"])
    names = list(case["pool"])
    for name in names:
        path = tmp / "pool" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(home / case["pool"][name], path)
    tasks = studio.take_in(tmp / "pool", names)
    work = tmp / "source"
    shutil.copytree(home / "input", work)
    said: list[str] = []
    wrong: list[str] = []
    for step in case["steps"]:
        form = step.get("format", "auto")
        try:
            source = work / step["source"]
            report = import_labels(studio.services, studio.project, source, kind="annotations", form=form, stage=quiet)
            told = report.as_dict()
            said += [*told["problems"], *told["unmatched"]]
        except Exception as error:
            wrong += said_or_crash(error, ".", step["source"])
            said.append(str(error))
    for name, task in zip(names, tasks, strict=True):
        wrong += _annotated(case, name, studio.fake.state.annotations_of(task))
    text = "\n".join(said)
    if case.get("out") and not re.search(case["out"], text):
        wrong.append(f"nothing says {case['out']!r}: {text[:300]!r}")
    if speak := re.search(case.get("not_out", PYTHON_SPEAK), text):
        wrong.append(f"says {speak.group(0)!r}: {text[:240]!r}")
    return wrong


def _annotated(case: Case, name: str, annotations: list[dict[str, Any]]) -> list[str]:
    wrong = []
    wanted = case["expect"].get(name)
    got = [
        [
            label
            for region in annotation["result"]
            for label in region["value"].get(region["type"], region["value"].get("choices", []))
        ]
        for annotation in annotations
    ]
    as_words = {"untouched": not got, "not background": not got or all(got), "empty": got == [[]]}
    if isinstance(wanted, str):
        fits = as_words[wanted]
    else:
        fits = wanted is None or [sorted(labels) for labels in got] == [sorted(wanted)]
    if not fits:
        wrong.append(f"{name!r} should be {wanted}, is {got}")
    for annotation in annotations:
        box = case.get("boxes", {}).get(name)
        if box and annotation["result"]:
            value = annotation["result"][0]["value"]
            if any(abs(value[key] - number) > 0.6 for key, number in box.items()):
                wrong.append(f"{name!r} has its box at {value}, should be {box}")
    return wrong


def run_image(case: Case, home: Path, _tmp: Path) -> list[str]:
    """Decode pictures; brightness and contrast may differ from the likeness, the picture may not."""
    wrong = []
    for entry in case["files"]:
        path = home / "input" / entry["file"]
        try:
            size, picture = image_size(path), load_rgb(path)
        except Exception as error:
            wrong += said_or_crash(error, entry.get("refused_with"), path.name)
            continue
        if "size" in entry and (list(size) != entry["size"] or list(picture.shape[:2]) != entry["size"]):
            wrong.append(f"{path.name}: size {size}, pixels {picture.shape[:2]}, should be {entry['size']}")
        if "like" in entry:
            like = np.asarray(Image.open(home / "input" / entry["like"]).convert("RGB")).astype(float)
            if like.shape != picture.shape:
                wrong.append(f"{path.name}: shape {picture.shape}, should be {like.shape}")
                continue
            a, b = picture.astype(float).ravel(), like.ravel()
            same = float(np.corrcoef(a, b)[0, 1]) if a.std() and b.std() else 0.0
            if same < 0.98 or a.std() < entry.get("contrast", 0.25) * b.std():
                wrong.append(f"{path.name}: correlation {same:.3f}, contrast {a.std():.1f} for {b.std():.1f}")
    return wrong


def run_config(case: Case, home: Path, _tmp: Path) -> list[str]:
    """Parse labeling configs."""
    wrong = []
    for entry in case["configs"]:
        try:
            job = parse_label_config((home / "input" / entry["file"]).read_text(encoding="utf-8"))
        except Exception as error:
            wrong += said_or_crash(error, entry.get("refused_with"), entry["file"])
            continue
        if "classes" not in entry:
            wrong.append(f"{entry['file']}: taken as {job.from_name!r} on {job.data_key!r}, should be refused")
        elif list(job.classes) != entry["classes"]:
            wrong.append(f"{entry['file']}: classes {list(job.classes)}, should be {entry['classes']}")
    return wrong


def run_regions(case: Case, _home: Path, _tmp: Path) -> list[str]:
    """Read annotations whose regions cannot be used."""
    job = parse_label_config(case["config"])
    wrong = []
    for entry in case["annotations"]:
        found = objects_on(entry["results"], job, tuple(case["size"]))
        if len(found.boxes) + len(found.ignore) < entry["regions"] and found.checked is None:
            wrong.append(f"{entry['name']}: a drawn region counts as searched background; said {found.left_out}")
    return wrong


def run_command(case: Case, home: Path, tmp: Path) -> list[str]:
    """Run commands as a user would."""
    fake = FakeLabelStudio()
    wrong: list[str] = []
    work = tmp / "work"
    shutil.copytree(home / "input", work)
    if case.get("prepared"):
        PREPARATIONS[home.name](work)
    with fake.serve() as url:
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("PAPLOOP_")},
            "PAPLOOP_DATA_DIR": str(tmp / "state"),
            "PAPLOOP_REDIS_URL": "redis://127.0.0.1:1/0",
            "PAPLOOP_LABEL_STUDIO_URL": url,
            "PAPLOOP_LABEL_STUDIO_TOKEN": LEGACY,
            "PAPLOOP_PUBLIC_URL": "http://127.0.0.1:1",
            "PAPLOOP_THREADS": "1",
            "PAPLOOP_MEDIA_SECRET": "media",
            "COLUMNS": "200",
            **case.get("environment", {}),
        }
        project = fake.add_project(case["config"]) if "config" in case else 0
        for step in case["steps"]:
            words = [word.replace("PROJECT", str(project)).replace("WORK", str(work)) for word in step["words"]]
            paploop = Path(sys.executable).with_name("paploop")
            done = subprocess.run(
                [paploop, *words], env=environment, capture_output=True, text=True, timeout=300, check=False
            )
            text = done.stdout + done.stderr
            if "Traceback" in text:
                wrong.append(f"{words[0]}: crash: {text.strip().splitlines()[-1][:200]}")
            elif "exit" in step and done.returncode not in step["exit"]:
                wrong.append(f"{words[0]}: exit {done.returncode}: {text[-300:]}")
            wrong += [
                f"{words[0]}: {key} {step[key]!r}: {text[-400:]}"
                for key, good in (("out", True), ("not_out", False))
                if key in step and bool(re.search(step[key], text)) != good
            ]
        if case.get("images_are_served"):
            wrong += _not_served(tmp / "state", [task["data"]["image"] for task in fake.state.tasks_of(project)])
    return wrong


def _not_served(state: Path, addresses: list[str]) -> list[str]:
    """Images of tasks that the web process does not hand out."""
    settings = Settings(data_dir=state, media_secret="media")
    app = create_app(Services(settings, Store.open(settings.resolved_database_url), DataDir(state)))
    client = app.test_client()
    answers = {unquote(a): client.get(urlsplit(a).path, buffered=True).status_code for a in addresses}
    return [
        f"{address.split('/')[-1]!r}: its address answers {code}" for address, code in answers.items() if code != 200
    ]


KINDS: dict[str, Callable[[Case, Path, Path], list[str]]] = {
    "import": run_import,
    "image": run_image,
    "config": run_config,
    "regions": run_regions,
    "command": run_command,
}
