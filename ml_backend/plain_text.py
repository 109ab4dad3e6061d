"""Text from outside (titles, file names, output of programs), made safe for a terminal and for one log line."""

from __future__ import annotations

import logging
import unicodedata
from typing import Final

KEPT: Final = "\n\t"
"""Control characters that mean what they say in a table or a message."""

SHOWN: Final = "\N{REPLACEMENT CHARACTER}"

# Besides control characters: what ends a line elsewhere, and what makes a terminal show letters in another order.
_UNSEEN: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
_TURNS: Final = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

LOG_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def plain(text: str, *, kept: str = KEPT) -> str:
    """The text with a mark in place of every character that a terminal would obey instead of showing it.

    Args:
        text: whatever came from outside.
        kept: control characters that stay.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        SHOWN if letter not in kept and (letter in _TURNS or unicodedata.category(letter) in _UNSEEN) else letter
        for letter in text
    )


class OneLine(logging.Formatter):
    """A record is one line, whatever a title or a file name in it holds; only a traceback goes on below."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is logging's
        """The line without its traceback."""
        record.message = plain(record.message.replace("\n", " / "), kept="\t")
        return super().formatMessage(record)


def log_to_standard_error(level: int | str, form: str = LOG_FORMAT) -> None:
    """Log one line a record to standard error; repeating it changes nothing."""
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine(form))
    logging.basicConfig(level=level, handlers=[handler])
