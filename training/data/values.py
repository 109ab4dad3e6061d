"""What label files hold, taken as loosely as it can be without a guess: text, numbers, ids, yes and no.

Every reader of labels goes through here, so a byte order mark, a number in quotes or a number where a list belongs has
one meaning everywhere. What has none is an `Unusable` with a reason in words.
"""

from __future__ import annotations

import codecs
import math
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from training.types import TrainingError

NO_NUMBER = "a value that should be a number is not"
DECIMAL_COMMA = "a number has a decimal comma; use a decimal point"
NOT_FINITE = "a number is not finite"

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_COMMA = re.compile(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?")
_PLAIN = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?", re.ASCII)
_YES, _NO = frozenset({"1", "true", "yes"}), frozenset({"", "0", "false", "no"})
_LARGEST = 2**53
"""Up to here a whole number and its decimal form are the same."""


class Unusable(ValueError):
    """A value of a label file means nothing.

    Attributes:
        kind: the reason without its particulars, by which such values are counted.
    """

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(f"{kind} ({detail})" if detail else kind)
        self.kind = kind


def read_text(path: Path) -> str:
    """The text of a file in UTF-8 or, with a byte order mark, UTF-16 or UTF-32; the mark is not part of it.

    Raises:
        TrainingError: the file cannot be read or is no such text.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TrainingError(f"{path.name} cannot be read ({error.strerror}); check its permissions.") from error
    mark, encoding = next(((mark, name) for mark, name in _MARKS if content.startswith(mark)), (b"", "utf-8"))
    try:
        return content[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        raise TrainingError(f"{path.name} is not UTF-8 text. Save it as UTF-8.") from error


def begins_with(path: Path, sign: str) -> bool:
    """Whether the first sign of a text file, spaces aside, is this one."""
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError:
        return False
    # The marks and zero bytes of other encodings say nothing about that.
    return head.lstrip(b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n").startswith(sign.encode())


def number(value: object) -> float:
    """A finite number, be it written as one or as text in any notation ("60.0", "1e3").

    Raises:
        Unusable: it is not one; a decimal comma is named, since it may separate numbers just as well.
    """
    if isinstance(value, str):
        text = value.strip()
        if _COMMA.fullmatch(text):
            raise Unusable(DECIMAL_COMMA)
        if text.lower().lstrip("+-") in ("nan", "inf", "infinity"):
            raise Unusable(NOT_FINITE)
        if not _PLAIN.fullmatch(text):
            raise Unusable(NO_NUMBER)
        found = float(text)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        try:
            found = float(value)
        except OverflowError:
            raise Unusable(NOT_FINITE) from None
    else:
        raise Unusable(NO_NUMBER)
    if not math.isfinite(found):
        raise Unusable(NOT_FINITE)
    return found


def numbers(values: object) -> list[float]:
    """A list of finite numbers.

    Raises:
        Unusable: it is not a list, or an entry is not a number.
    """
    if not isinstance(values, Sequence) or isinstance(values, str | bytes):
        raise Unusable("a list of numbers is missing")
    return [number(value) for value in values]


def whole(value: object) -> int:
    """A whole number in any notation ("0.0", "1.000000e+00").

    Raises:
        Unusable: it is not one.
    """
    found = number(value)
    if abs(found) > _LARGEST:
        raise Unusable("a number is too large")
    if not found.is_integer():
        raise Unusable("a number should be whole")
    return int(found)


def flag(value: object) -> bool:
    """Yes or no, as true, 1, "1" or "true".

    Raises:
        Unusable: it is neither.
    """
    if value is None or isinstance(value, bool):
        return bool(value)
    if isinstance(value, str):
        text = value.strip().lower()
        if text in _YES | _NO:
            return text in _YES
    return number(value) != 0


def text_of(value: object) -> str:
    """A name without surrounding blanks; empty where there is none."""
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def id_key(value: object) -> int | str | None:
    """What an id is compared by: its number where it is one, in any notation, else its text; None where it is not an
    id.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, int):
        return value
    text = str(value).strip()
    if not _PLAIN.fullmatch(text):
        return (text or None) if isinstance(value, str) else None
    try:
        exact = Decimal(text)
    except InvalidOperation:
        return text
    # Exact, so that long numbers are not rounded onto each other; huge powers stay text.
    whole_number = exact.adjusted() < 40 and exact == exact.to_integral_value()
    return int(exact) if whole_number else text


def repeated(values: Iterable[Any]) -> list[Any]:
    """What occurs more than once, in order of its second occurrence."""
    seen: set[Any] = set()
    twice: dict[Any, None] = {}
    for value in values:
        if value in seen:
            twice[value] = None
        seen.add(value)
    return list(twice)
