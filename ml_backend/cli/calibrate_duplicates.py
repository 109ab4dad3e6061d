"""`paploop calibrate-duplicates`: yes/no answers about borderline pairs -> the duplicate threshold."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ml_backend.cli._answer import print_json, print_table, say
from ml_backend.cli._open import chosen_project, heed_settings, opened
from ml_backend.cli._options import AsJson
from ml_backend.errors import BadRequest

if TYPE_CHECKING:
    from ml_backend.duplicates.boundary import ScoredPair

COLUMNS = ("number", "first", "second", "share", "same")
YES, NO = ("y", "yes", "true", "1"), ("n", "no", "false", "0")


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command("calibrate-duplicates", epilog="Example: paploop calibrate-duplicates 7 --html pairs.html --apply")
    def calibrate_duplicates(
        target: Annotated[str, typer.Argument(help="Project id, or a folder of images.")],
        count: Annotated[int, typer.Option(min=8, max=200, help="Number of pairs to ask about.")] = 30,
        html: Annotated[Path | None, typer.Option(help="Write a page with the pairs side by side.")] = None,
        answers: Annotated[
            Path | None,
            typer.Option(
                help="CSV with a column 'same' (yes or no); if it does not exist, it is written for you to fill in."
            ),
        ] = None,
        precision: Annotated[float, typer.Option(min=0.5, max=0.999, help="Required precision.")] = 0.95,
        seed: Annotated[int, typer.Option(help="Seed for choosing the pairs.")] = 0,
        apply: Annotated[bool, typer.Option("--apply", help="Store the threshold as the project's setting.")] = False,
        as_json: AsJson = False,
    ) -> None:
        """Ask which borderline pairs show the same specimen, and compute the threshold with its precision and
        recall."""
        from ml_backend.duplicates.boundary import threshold_from, to_ask

        heed_settings()

        project = int(target) if target.isascii() and target.isdigit() else None
        if apply and project is None:
            raise BadRequest("--apply changes a project setting. Give a project id instead of a folder.")
        pairs, present = _scored(project, target)
        chosen = to_ask(pairs, present, count, seed)
        if html is not None:
            from ml_backend.duplicates.pair_sheet import write_pair_sheet

            write_pair_sheet(chosen, Path() if project is not None else Path(target), html)
        given = _answers(chosen, answers, html, as_json)
        if given is None:
            return
        found = threshold_from(pairs, given, precision, seed)
        applied = apply and project is not None and _apply(project, found.threshold)
        if as_json:
            print_json({**asdict(found), "pairs": len(pairs), "present": present, "applied": applied})
            return
        say(f"Threshold {found.threshold:.3f}, currently {present:.3f}.")
        precise = _interval("precision", found.precision, found.precision_interval)
        say(f"{precise}, {_interval('recall', found.recall, found.recall_interval)},")
        say(f"from {found.answers} answers, over {len(pairs)} candidate pairs.")
        if applied:
            say("Stored as the project's duplicate_share. It applies to images added from now on.")


def _scored(project: int | None, target: str) -> tuple[list[ScoredPair], float]:
    from ml_backend.duplicates.boundary import pairs_of_folder, pairs_of_project
    from ml_backend.operations.screen import stages
    from strategies.near_duplicates.verification.pairs import SHARE

    with stages() as stage:
        if project is None:
            return pairs_of_folder(Path(target), stage), SHARE
        with opened() as services:
            project = chosen_project(services, project)
            present = services.store.projects.settings(project).duplicate_share
            return pairs_of_project(
                services.store.items, services.files, services.images, project, stage, threads=services.threads
            ), present


def _answers(
    chosen: Sequence[ScoredPair], file: Path | None, html: Path | None, as_json: bool
) -> dict[tuple[str, str], bool] | None:
    """What a file or a person says; None when the pairs were only shown."""
    if file is not None and file.exists():
        return _read(file)
    if file is not None:
        rows = [(n, p.first, p.second, f"{p.share:.4f}", "") for n, p in enumerate(chosen, 1)]
        with file.open("w", encoding="utf-8", newline="") as out:
            csv.writer(out).writerows([COLUMNS, *rows])
        say(f"Wrote {len(rows)} pairs to {file}; enter yes or no in the column 'same' and run the command again.")
        return None
    if as_json:
        print_json([pair.as_dict() for pair in chosen])
        return None
    table = [(n, f"{p.share:.3f}", p.first, p.second) for n, p in enumerate(chosen, 1)]
    print_table(("pair", "agree", "first", "second"), table)
    if html is not None:
        say(f"Open {html} to see the pairs.")
    return _ask(chosen)


def _ask(chosen: Sequence[ScoredPair]) -> dict[tuple[str, str], bool]:
    said = {}
    for number, pair in enumerate(chosen, 1):
        answer = ""
        while answer not in (*YES, *NO, "s", "q"):
            question = (
                f"{number} of {len(chosen)}: do {pair.first} and {pair.second} show the same specimen? (y, n, "
                "s = skip, q = quit)"
            )
            answer = typer.prompt(question, default="s", show_default=False).strip().lower()
        if answer == "q":
            break
        if answer != "s":
            said[pair.first, pair.second] = answer in YES
    return said


def _read(file: Path) -> dict[tuple[str, str], bool]:
    said = {}
    with file.open(encoding="utf-8", newline="") as rows:
        for row in csv.DictReader(rows):
            answer = (row.get("same") or "").strip().lower()
            if answer and answer not in (*YES, *NO):
                raise BadRequest(
                    f"{file} contains {answer!r} where yes or no is expected. Correct it, or leave it empty to "
                    "skip the pair."
                )
            if answer:
                said[row.get("first") or "", row.get("second") or ""] = answer in YES
    return said


def _apply(project: int, threshold: float) -> bool:
    from ml_backend.ordering.strategy_choice import change_settings

    with opened() as services:
        change_settings(services.store.projects, project, {"duplicate_share": min(1.0, max(0.3, threshold))})
    return True


def _interval(name: str, share: float, interval: tuple[float, float]) -> str:
    low, high = interval
    return f"{name} {share:.2f} (95 % interval {low:.2f} to {high:.2f})"
