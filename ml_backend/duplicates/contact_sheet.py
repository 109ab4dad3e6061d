"""One HTML page with every group side by side and the images embedded, so that it can be shared."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from html import escape
from pathlib import Path

from PIL import Image

from ml_backend.duplicates.report import Report
from training.data.images import ImageDecodeError, open_rgb
from training.types import Progress

SIDE = 176
"""Px of the longer side of a thumbnail."""

STYLE = """
body { font: 14px/1.4 system-ui, sans-serif; margin: 2rem; background: #fafafa; color: #222 }
section { background: #fff; border: 1px solid #ddd; border-radius: 8px; padding: .8rem; margin: 1rem 0 }
section.conflict { border-color: #c0392b }
h2 { font-size: 1rem; margin: 0 0 .5rem } .row { display: flex; flex-wrap: wrap; gap: .8rem }
figure { margin: 0; width: 176px } figcaption { overflow-wrap: anywhere; font-size: 12px }
figure img { max-width: 176px; display: block; background: #eee } .first img { outline: 3px solid #2e7d32 }
b.red { color: #c0392b }
"""


def write_contact_sheet(report: Report, folder: Path, target: Path, progress: Progress) -> None:
    """Write the page.

    Args:
        report: what was found.
        folder: where the images are.
        target: the HTML file.
        progress: moved on after every group.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("w", encoding="utf-8") as file:
        for piece in _pieces(report, folder, progress):
            file.write(piece)


def _pieces(report: Report, folder: Path, progress: Progress) -> Iterator[str]:
    clash = {path for conflict in report.conflicts for path in conflict.paths}
    yield f"<!doctype html><html lang=en><meta charset=utf-8><title>Duplicates</title><style>{STYLE}</style>"
    yield f"<h1>{len(report.groups)} groups in {report.images} images</h1>"
    yield (
        "<p>The representative has a green frame. The number is the mean correlation over the area that both "
        "images show.</p>"
    )
    for number, group in enumerate(report.groups, 1):
        conflict = group.representative in clash
        yield f"<section{' class=conflict' if conflict else ''}><h2>Group {number}"
        yield " <b class=red>different labels</b></h2><div class=row>" if conflict else "</h2><div class=row>"
        yield figure(folder, group.representative, "representative", "first")
        for member in group.members:
            yield figure(folder, member.path, f"{member.relation} {member.similarity:.3f}", "")
        yield "</div></section>"
        progress(number / len(report.groups), "")
    if report.kin:
        yield "<section><h2>Groups of copies that show the same specimen</h2><ul>"
        for kin in report.kin:
            yield f"<li>{escape(kin.first)} and {escape(kin.second)}: {escape(kin.relation)}</li>"
        yield "</ul></section>"
    if report.unreadable:
        yield "<section><h2>Cannot be read</h2><ul>"
        for path, reason in report.unreadable.items():
            yield f"<li>{escape(path)}: {escape(reason)}</li>"
        yield "</ul></section>"
    yield "</html>\n"


def figure(folder: Path, path: str, words: str, kind: str) -> str:
    """An image of a folder with its name and a caption, as HTML."""
    caption = f"<figcaption>{escape(path)}<br><b>{escape(words)}</b></figcaption>"
    return f"<figure class='{kind}'>{_picture(folder / path)}{caption}</figure>"


def _picture(path: Path) -> str:
    try:
        image, _ = open_rgb(path, enough=SIDE)
    except ImageDecodeError as error:
        return f"<p>{escape(str(error))}</p>"
    image.thumbnail((SIDE, SIDE), Image.Resampling.BILINEAR)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return f"<img alt='' src='data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}'>"
