"""Titles and file names that others chose: shown as they are, never obeyed."""

from __future__ import annotations

import io
import logging

import pytest

from ml_backend.plain_text import OneLine, plain
from tests.fakes.runs import open_run
from tests.ml_backend.cli.conftest import NOW, Shell

TITLE = "[/red] [bold]Slides[/bold] [link=http://x]\x1b[31m\x07\r\nERROR forged\u202e"


@pytest.fixture
def hostile(shell: Shell) -> Shell:
    store = shell.store()
    store.projects.upsert(7, TITLE, "<View/>", NOW)
    open_run(store, 7, reason=TITLE, now=NOW)
    store.close()
    return shell


@pytest.mark.parametrize("words", [("status",), ("runs", "7"), ("runs", "--run", "1")])
def test_a_title_with_markup_is_shown_as_it_stands(hostile: Shell, words: tuple[str, ...]) -> None:
    said = hostile(*words)
    assert "[bold]Slides[/bold]" in said
    assert not {"\x1b", "\x07", "\r", "\u202e"} & set(said)


def test_json_keeps_every_letter(hostile: Shell) -> None:
    assert hostile.json("status")[0]["title"] == TITLE


def test_a_log_record_is_one_line() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(OneLine("%(levelname)s %(message)s"))
    logger = logging.Logger("test")
    logger.addHandler(handler)
    logger.warning("the image %s is damaged", "a\nERROR root: all is lost\x1b[2J.png")
    assert stream.getvalue().count("\n") == 1
    assert "\x1b" not in stream.getvalue()


def test_letters_of_all_languages_stay() -> None:
    assert plain("Größe, 子宮頸部, naïve\tβ\n") == "Größe, 子宮頸部, naïve\tβ\n"
