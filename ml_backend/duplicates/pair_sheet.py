"""One HTML page with the pairs that a person is asked about, side by side and numbered."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ml_backend.duplicates.boundary import ScoredPair
from ml_backend.duplicates.contact_sheet import STYLE, figure


def write_pair_sheet(pairs: Sequence[ScoredPair], folder: Path, target: Path) -> None:
    """Write the page.

    Args:
        pairs: in the order of their numbers, which begin with 1.
        folder: what relative paths start from.
        target: the HTML file.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("w", encoding="utf-8") as file:
        file.write(
            f"<!doctype html><html lang=en><meta charset=utf-8><title>Same or not?</title><style>{STYLE}</style>"
        )
        file.write(f"<h1>{len(pairs)} pairs: do both show the same specimen?</h1>")
        for number, pair in enumerate(pairs, 1):
            file.write(f"<section><h2>Pair {number}</h2><div class=row>")
            file.write(figure(folder, pair.first, f"{pair.share:.3f} agree", ""))
            file.write(figure(folder, pair.second, "", "") + "</div></section>")
        file.write("</html>\n")
