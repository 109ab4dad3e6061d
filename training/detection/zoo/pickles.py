"""Arrays, numbers and text out of a pickle file, without unpickling it.

Detectron2's model zoo hands out pickles, and to load one runs whatever program it holds. Here the file is only read:
its instructions are walked through one by one, those that build dictionaries, lists, text, numbers and numpy arrays are
carried out by the code below, and any other ends the reading. No name in the file is ever looked up or called.
"""

from __future__ import annotations

import math
import pickletools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

from training.types import TrainingError

KNOWN: Final = {
    ("numpy.core.multiarray", "_reconstruct"): "array",
    ("numpy._core.multiarray", "_reconstruct"): "array",
    ("numpy.core.multiarray", "scalar"): "scalar",
    ("numpy._core.multiarray", "scalar"): "scalar",
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): "dtype",
    ("_codecs", "encode"): "encode",
    ("collections", "OrderedDict"): "dict",
    ("__builtin__", "bytes"): "bytes",
}
"""The only names that may occur, and what they stand for here."""
NUMBERS: Final = re.compile(r"[biuf][1248]")
_MARK: Final = object()
_Values = list[Any]


@dataclass
class _Name:
    meaning: str


@dataclass
class _Type:
    """A numpy type under construction; the byte order comes in a second step."""

    name: str
    order: str = "<"

    @property
    def numpy(self) -> np.dtype[Any]:
        return np.dtype(self.order + self.name)


@dataclass
class _Array:
    """An array under construction; shape and bytes come in a second step."""

    value: NDArray[Any] | None = None


class _Refused(ValueError):
    """The file holds something else than numbers and text."""


def read_plain(file: IO[bytes]) -> object:
    """The dictionary, list, array, number or text that a pickle file describes.

    Args:
        file: at its beginning.

    Raises:
        TrainingError: it describes anything else, or is damaged.
    """
    try:
        return _plain(_Reader().read(file))
    except _Refused as error:
        raise TrainingError(
            f"The weights file was not loaded because it contains {error}; PapLoop accepts only numbers and "
            "text. Use a file from Detectron2's model zoo."
        ) from error
    # A damaged file can break any step of the walk.
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise TrainingError(f"The weights file is damaged ({error}). Download it again.") from error


class _Reader:
    def __init__(self) -> None:
        self._stack: _Values = []
        self._memo: dict[int, Any] = {}

    def read(self, file: IO[bytes]) -> object:
        for opcode, argument, _ in pickletools.genops(file):
            if opcode.name == "STOP":
                return self._stack.pop()
            if opcode.name in _VALUES:
                self._stack.append(argument)
            elif opcode.name in _STEPS:
                _STEPS[opcode.name](self, argument)
            else:
                raise _Refused(f"the instruction {opcode.name}")
        raise ValueError("it ends too early")

    def _since_mark(self) -> _Values:
        place = len(self._stack) - 1 - self._stack[::-1].index(_MARK)
        values = self._stack[place + 1 :]
        del self._stack[place:]
        return values

    def _last(self, count: int) -> tuple[Any, ...]:
        values = tuple(self._stack[len(self._stack) - count :])
        if len(values) < count:
            raise ValueError("its stack is empty")
        del self._stack[len(self._stack) - count :]
        return values

    def _append(self, values: _Values) -> None:
        if not isinstance(self._stack[-1], list):
            raise ValueError("something is appended to an object that is not a list")
        self._stack[-1].extend(values)

    def _start_dict(self) -> None:
        values = self._since_mark()
        self._stack.append({})
        self._set(values)

    def _set(self, values: _Values) -> None:
        if not isinstance(self._stack[-1], dict):
            raise ValueError("something is stored in an object that is not a dictionary")
        self._stack[-1].update(zip(values[::2], values[1::2], strict=True))

    def _remember(self, place: int | None) -> None:
        self._memo[len(self._memo) if place is None else int(place)] = self._stack[-1]

    def _recall(self, place: int) -> None:
        self._stack.append(self._memo[int(place)])

    def _global(self, module: str, name: str) -> None:
        if (module, name) not in KNOWN:
            raise _Refused(f"the name {module}.{name}")
        self._stack.append(_Name(KNOWN[module, name]))

    def _reduce(self) -> None:
        function, arguments = self._last(2)
        if not isinstance(function, _Name) or not isinstance(arguments, tuple):
            raise _Refused("a call")
        self._stack.append(_called(function.meaning, arguments))

    def _build(self) -> None:
        (state,) = self._last(1)
        target = self._stack[-1]
        if isinstance(target, _Array):
            _, shape, kind, fortran, content = state
            target.value = _array(kind, tuple(shape), content, bool(fortran))
        elif isinstance(target, _Type):
            if state[1] in ("<", ">", "=", "|"):
                target.order = state[1]
        else:
            raise _Refused("an object with its own state")


def _called(meaning: str, arguments: tuple[Any, ...]) -> object:
    if meaning == "array":
        return _Array()
    if meaning == "dtype" and NUMBERS.fullmatch(str(arguments[0])):
        return _Type(str(arguments[0]))
    if meaning == "scalar":
        return _array(arguments[0], (), arguments[1], False)[()]
    if meaning == "encode" and isinstance(arguments[0], str):
        return arguments[0].encode("latin-1")
    if meaning in ("dict", "bytes") and not arguments:
        return {} if meaning == "dict" else b""
    if meaning == "dict" and isinstance(arguments[0], list):
        return dict(arguments[0])
    raise _Refused(f"a {meaning} of {str(arguments)[:40]!r}")


def _array(kind: object, shape: tuple[Any, ...], content: object, fortran: bool) -> NDArray[Any]:
    if not isinstance(kind, _Type):
        raise _Refused("an array of objects")
    data = content.encode("latin-1") if isinstance(content, str) else content
    if not isinstance(data, bytes) or len(data) != math.prod(int(side) for side in shape) * kind.numpy.itemsize:
        raise ValueError("an array has another size than it says")
    found = np.frombuffer(data, dtype=kind.numpy)
    return found.reshape(shape, order="F" if fortran else "C")


def _plain(value: object) -> object:
    """The value with arrays in place of what they were made from."""
    if isinstance(value, _Array):
        if value.value is None:
            raise ValueError("an array has no content")
        return value.value
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_plain(item) for item in value)
    if value is _MARK or isinstance(value, _Name | _Type):
        raise _Refused("a name instead of a value")
    return value


_NUMBERS: Final = ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT")
_TEXT: Final = ("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8")
_BYTES: Final = ("BINBYTES", "SHORT_BINBYTES", "BINBYTES8")
_VALUES: Final = frozenset((*_NUMBERS, *_TEXT, *_BYTES))
_STEPS: Final[dict[str, Callable[[_Reader, Any], None]]] = {
    "PROTO": lambda *_: None,
    "FRAME": lambda *_: None,
    "NONE": lambda reader, _: reader._stack.append(None),
    "NEWTRUE": lambda reader, _: reader._stack.append(True),
    "NEWFALSE": lambda reader, _: reader._stack.append(False),
    "MARK": lambda reader, _: reader._stack.append(_MARK),
    "POP": lambda reader, _: reader._stack.pop(),
    "EMPTY_DICT": lambda reader, _: reader._stack.append({}),
    "EMPTY_LIST": lambda reader, _: reader._stack.append([]),
    "EMPTY_TUPLE": lambda reader, _: reader._stack.append(()),
    "LIST": lambda reader, _: reader._stack.append(reader._since_mark()),
    "DICT": lambda reader, _: reader._start_dict(),
    "TUPLE": lambda reader, _: reader._stack.append(tuple(reader._since_mark())),
    "TUPLE1": lambda reader, _: reader._stack.append(reader._last(1)),
    "TUPLE2": lambda reader, _: reader._stack.append(reader._last(2)),
    "TUPLE3": lambda reader, _: reader._stack.append(reader._last(3)),
    "APPEND": lambda reader, _: reader._append(list(reader._last(1))),
    "APPENDS": lambda reader, _: reader._append(reader._since_mark()),
    "SETITEM": lambda reader, _: reader._set(list(reader._last(2))),
    "SETITEMS": lambda reader, _: reader._set(reader._since_mark()),
    "PUT": lambda reader, place: reader._remember(place),
    "BINPUT": lambda reader, place: reader._remember(place),
    "LONG_BINPUT": lambda reader, place: reader._remember(place),
    "MEMOIZE": lambda reader, _: reader._remember(None),
    "GET": lambda reader, place: reader._recall(place),
    "BINGET": lambda reader, place: reader._recall(place),
    "LONG_BINGET": lambda reader, place: reader._recall(place),
    "GLOBAL": lambda reader, name: reader._global(*str(name).split(" ", 1)),
    "STACK_GLOBAL": lambda reader, _: reader._global(*map(str, reader._last(2))),
    "REDUCE": lambda reader, _: reader._reduce(),
    "BUILD": lambda reader, _: reader._build(),
}
