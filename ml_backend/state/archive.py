"""A backup as a file: tar.gz that starts with a table of contents; reading it trusts nothing."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import secrets
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ml_backend.errors import BadRequest, Unavailable

from .files import in_words, sync_folder

Progress = Callable[[float, str], None]
"""Called with a fraction in [0, 1] and a short sentence."""

CONTENTS = "contents.json"
FORMAT = 1
_MOST_CONTENTS = 64 * 2**20
_BLOCK = 2**20
_NAME = re.compile(
    r"paploop\.db|secrets\.json"
    r"|inbox/[0-9]{1,24}-[0-9]{1,10}-[0-9]{1,12}\.json"
    r"|vectors/[A-Za-z0-9_-][A-Za-z0-9._-]{0,160}/(?:vectors\.f32|rows\.json)"
    r"|runs/[0-9]{6,12}/(?:[^/\0]{1,255}/){0,10}[^/\0]{1,255}"
)


@dataclass(frozen=True)
class Member:
    """One file to be put in: the first `size` bytes of a file, or bytes at hand."""

    name: str
    size: int
    source: Path | bytes


def write_archive(target: Path, members: Sequence[Member], about: Mapping[str, object], progress: Progress) -> None:
    """Write a backup readable by its owner only; the target appears when it is complete.

    Raises:
        Unavailable: the disk is full, or a file cannot be read or written.
    """
    contents = {"format": FORMAT, **about, "files": {member.name: member.size for member in members}}
    first = json.dumps(contents).encode()
    part = target.with_name(f".{target.name}.{secrets.token_hex(6)}.part")
    done, total = 0, len(first) + sum(member.size for member in members)
    with in_words(f"write {target}"):
        try:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as raw:
                with (
                    gzip.GzipFile("", "wb", compresslevel=1, fileobj=raw, mtime=0) as packed,
                    tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
                ):
                    for member in (Member(CONTENTS, len(first), first), *members):
                        progress(done / total, f"Writing {member.name}.")
                        _put(tar, member)
                        done += member.size
                raw.flush()
                os.fsync(raw.fileno())
            os.replace(part, target)
            sync_folder(target.parent)
        except BaseException:
            with suppress(OSError):
                part.unlink()
            raise


def _put(tar: tarfile.TarFile, member: Member) -> None:
    info = tarfile.TarInfo(member.name)
    info.size, info.mode = member.size, 0o600
    if isinstance(member.source, bytes):
        tar.addfile(info, io.BytesIO(member.source))
        return
    with member.source.open("rb") as file:
        tar.addfile(info, file)


def read_archive(source: Path, folder: Path, progress: Progress) -> dict[str, int]:
    """Unpack a backup into an empty folder; returns the size of each of its files in bytes.

    Only plain files with the names of a backup are written, each below `folder` and of the size announced.

    Raises:
        BadRequest: it is not a backup, damaged, or holds something that a backup does not.
        Unavailable: the disk is full, or the file cannot be read.
    """
    with in_words(f"unpack {source}"), _damage_in_words(source), gzip.open(source, "rb") as packed:
        with tarfile.open(fileobj=packed, mode="r|") as tar:
            members = iter(tar)
            files = _contents(source, tar, next(members, None))
            total = sum(files.values())
            _check_room(folder, total)
            missing, done = set(files), 0
            for member in members:
                _check_member(source, member, files, missing)
                progress(done / max(total, 1), f"Reading {member.name}.")
                _write(tar, member, folder)
                missing.discard(member.name)
                done += member.size
        while packed.read(_BLOCK):  # the checksum comes at the very end
            pass
    if missing:
        raise _refused(source, f"'{min(missing)}' is missing")
    return files


def _contents(source: Path, tar: tarfile.TarFile, member: tarfile.TarInfo | None) -> dict[str, int]:
    if member is None or member.name != CONTENTS or not member.isreg() or member.size > _MOST_CONTENTS:
        raise _refused(source, "it does not start with a table of contents")
    file = tar.extractfile(member)
    assert file is not None
    contents = json.loads(file.read())
    if not isinstance(contents, dict) or not isinstance(contents.get("files"), dict):
        raise _refused(source, "its table of contents cannot be understood")
    if contents.get("format") != FORMAT:
        raise _refused(source, f"its format is {contents.get('format')!r}, but this version of PapLoop reads {FORMAT}")
    for name, size in contents["files"].items():
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise _refused(source, f"the size of '{name[:200]}' is not a number of bytes")
    if "paploop.db" not in contents["files"]:
        raise _refused(source, "it contains no database")
    return dict(contents["files"])


def _check_member(source: Path, member: tarfile.TarInfo, files: Mapping[str, int], missing: set[str]) -> None:
    name = member.name
    parts = name.split("/")
    if not _NAME.fullmatch(name) or {"", ".", ".."} & set(parts):
        raise _refused(source, f"''{name[:200]}' is not a valid file name in a backup")
    if not member.isreg() or member.issparse():
        raise _refused(source, f"''{name[:200]}' is not a regular file")
    if name not in missing or member.size != files[name]:
        raise _refused(source, f"'{name[:200]}' does not agree with the table of contents")


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    target = folder / member.name
    target.parent.mkdir(parents=True, exist_ok=True)
    file = tar.extractfile(member)
    assert file is not None
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        copied = _copy(file, out)
        out.flush()
        os.fsync(out.fileno())
    if copied != member.size:
        raise EOFError(member.name)


def _copy(file: IO[bytes], out: IO[bytes]) -> int:
    copied = 0
    while block := file.read(_BLOCK):
        out.write(block)
        copied += len(block)
    return copied


def _check_room(folder: Path, total: int) -> None:
    free = shutil.disk_usage(folder).free
    if total > free:
        raise Unavailable(
            f"The backup needs {total / 2**20:,.0f} MiB, but {folder} has only {free / 2**20:,.0f} MiB left. "
            "Free some space."
        )


def _refused(source: Path, why: str) -> BadRequest:
    return BadRequest(f"{source} was not restored because {why}; use a file made by `paploop backup`.")


@contextmanager
def _damage_in_words(source: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise BadRequest(f"There is no backup {source}. Check the path.") from error
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError) as error:
        raise _refused(source, f"it is damaged or not a backup ({error})") from error
