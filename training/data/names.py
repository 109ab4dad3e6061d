"""Which of a set of images a name means, however another program wrote it: one lookup for every command.

Forms of a name are tried in order of trust, from the letters as they stand to a name in any case without its ending. In
each form the longest ending of the path that any image has decides, and only when exactly one image has it. Names that
differ in what a form drops (`11111111-1.png`, `22222222-1.png`) never meet in it.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from training.data.images import IMAGE_SUFFIXES

TRIED: Final = (
    "as written, percent-decoded, without folders, query and Label Studio's prefix, in another Unicode form, "
    "ignoring case"
)
"""What was tried when nothing fits, for people."""

PREFIX: Final = re.compile(r"[0-9a-f]{8}(?:-|__)(?=.)")
"""What Label Studio puts before the name of an upload (`-`) and of a file that it exports (`__`)."""

NAMED: Final = 3
Form = Callable[[str], str]


@dataclass(frozen=True)
class Found:
    """What a name means.

    Attributes:
        key: of the one image; None where there is none, or where it is not certain which.
        candidates: names of the images that it might mean.
        how: how the name had to be read; empty where the path stands as it is.
    """

    key: int | None = None
    candidates: tuple[str, ...] = ()
    how: str = ""

    def why_not(self, name: str) -> str:
        """Why nothing was found, for people, without a full stop."""
        if self.candidates:
            shown = ", ".join(self.candidates[:NAMED]) + (", ..." if len(self.candidates) > NAMED else "")
            return f"{name} matches {len(self.candidates)} images ({shown})"
        return f"there is no image {name} (tried {TRIED})"


class NameIndex:
    """Images by their names.

    Args:
        names: name (path with `/`) -> its key; several names may have one key.
        shorter: whether a name that is asked for may be the ending of an image's path.
    """

    def __init__(self, names: Iterable[tuple[str, int]], *, shorter: bool = True) -> None:
        self._names = list(names)
        self._shorter = shorter
        self._titles: dict[int, str] = {}
        for name, key in self._names:
            self._titles.setdefault(key, name)
        self._by_form: list[dict[str, set[int]] | None] = [None] * len(FORMS)
        self._asked: list[dict[str, set[str]]] = [defaultdict(set) for _ in FORMS]

    def expect(self, names: Iterable[str]) -> None:
        """Tell all names that will be asked for: what two of them share says too little about either."""
        for name in set(names):
            for number, (_, asked, _) in enumerate(FORMS):
                parts = _parts(asked(name))
                if parts:
                    self._asked[number][parts[-1]].add(name)

    def find(self, name: str) -> Found:
        """The image that a name means."""
        for number, (how, form, _) in enumerate(FORMS):
            match = self._match(number, form(name))
            if match is None:
                continue
            dropped, keys = match
            if dropped:
                # A looser reading of a longer path may mean another image: then nobody knows.
                others = (self._match(later, FORMS[later][1](name)) for later in range(number + 1, len(FORMS)))
                keys = keys.union(*(more for found in others if found for less, more in [found] if less < dropped))
            titles = tuple(sorted(self._titles[key] for key in keys))
            return Found(next(iter(keys)) if len(keys) == 1 else None, titles, how)
        return Found()

    def _match(self, number: int, name: str) -> tuple[int, set[int]] | None:
        """How many folders had to be dropped, and the images that fit."""
        known = self._known(number)
        parts = _parts(name)
        for dropped in range(len(parts)):
            keys = known.get("/".join(parts[dropped:]))
            last = dropped == len(parts) - 1
            vague = last and (dropped or number > TRUSTED) and len(self._asked[number][parts[-1]]) > 1
            if keys and not vague:
                return dropped, keys
        return None

    def _known(self, number: int) -> dict[str, set[int]]:
        known = self._by_form[number]
        if known is None:
            known = defaultdict(set)
            form = FORMS[number][2]
            for name, key in self._names:
                parts = _parts(form(name))
                for start in range(len(parts) if self._shorter else min(1, len(parts))):
                    known["/".join(parts[start:])].add(key)
            self._by_form[number] = known = dict(known)
        return known


def _parts(name: str) -> list[str]:
    return [part for part in name.split("/") if part not in ("", ".")]


def plain(name: str) -> str:
    """The name as written."""
    return name


def path_of(name: str) -> str:
    """The path in an address, a Windows path or a storage address, without what follows a question mark."""
    text = name.strip()
    try:
        address = urlsplit(text)
        asked = parse_qs(address.query)
    except ValueError:
        return text.replace("\\", "/")
    if asked.get("d"):
        text = asked["d"][0]
    elif asked.get("fileuri"):
        text = path_of(_from_base64(asked["fileuri"][0]))
    elif len(address.scheme) > 1 and address.netloc:
        text = address.path
    elif "?" in text:
        text = text.split("?", 1)[0]
    return re.sub(r"^[A-Za-z]:(?=/)", "", text.replace("\\", "/"))


def decoded(name: str) -> str:
    """The path with `%20` and the like as the letters that they stand for."""
    return unquote(path_of(name))


def composed(name: str) -> str:
    """Letters with accents as one character each, as most systems but macOS write them."""
    return unicodedata.normalize("NFC", name)


def without_prefix(name: str) -> str:
    """The name without the eight digits that Label Studio puts before it."""
    folder, slash, last = name.rpartition("/")
    return folder + slash + PREFIX.sub("", last, count=1)


def as_uploaded(name: str) -> str:
    """The last part as Label Studio stores an upload: spaces as `_`, other marks left out."""
    folder, slash, last = name.rpartition("/")
    return folder + slash + re.sub(r"[^-\w.]", "", last.strip().replace(" ", "_"))


def without_ending(name: str) -> str:
    """The name without the ending of an image."""
    stem, dot, ending = name.rpartition(".")
    return stem if stem and f"{dot}{ending}".lower() in IMAGE_SUFFIXES else name


def _after(*forms: Form) -> Form:
    """One form after the other."""

    def changed(name: str) -> str:
        for form in forms:
            name = form(name)
        return name

    return changed


def _bare(name: str) -> str:
    """A name without an ending; one that has an image's ending means this very file and gives nothing."""
    text = _after(decoded, composed)(name)
    return "" if without_ending(text) != text else text


def _from_base64(text: str) -> str:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_").decode()
    except (binascii.Error, ValueError):
        return ""


_read = _after(decoded, composed)
_folded: Form = str.casefold

FORMS: Final[tuple[tuple[str, Form, Form], ...]] = (
    ("", plain, plain),
    ("as a path", path_of, plain),
    ("percent-decoded", decoded, plain),
    ("in another Unicode form", _read, composed),
    ("without Label Studio's prefix", _after(_read, without_prefix), composed),
    ("without Label Studio's prefixes", _after(_read, without_prefix, without_prefix), composed),
    ("with Label Studio's prefix", _read, _after(composed, without_prefix)),
    ("as Label Studio writes uploads", _after(_read, as_uploaded), _after(composed, as_uploaded)),
    (
        "as Label Studio writes uploads, without its prefix",
        _after(_read, without_prefix, as_uploaded),
        _after(composed, as_uploaded),
    ),
    (
        "as Label Studio writes uploads, without its prefixes",
        _after(_read, without_prefix, without_prefix, as_uploaded),
        _after(composed, as_uploaded),
    ),
    (
        "as Label Studio writes uploads, with its prefix",
        _after(_read, as_uploaded),
        _after(composed, without_prefix, as_uploaded),
    ),
    ("in any case", _after(_read, _folded), _after(composed, _folded)),
    (
        "ignoring case, without Label Studio's prefix",
        _after(_read, _folded, without_prefix, as_uploaded),
        _after(composed, _folded, as_uploaded),
    ),
    ("without its ending", _bare, _after(composed, without_ending)),
    (
        "ignoring case, without its ending and Label Studio's prefix",
        _after(_bare, _folded, without_prefix, without_prefix, as_uploaded),
        _after(composed, without_ending, _folded, as_uploaded),
    ),
)
"""How a name was read, what is done with the name that is asked for, and what with those of the images."""

TRUSTED: Final = 3
"""Number of the last form that leaves nothing of a name out."""
