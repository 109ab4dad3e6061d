"""What a driver says -> whether the database is away, which passes, or the value or statement can never go through."""

from __future__ import annotations

import re

from sqlalchemy.exc import DataError, StatementError

from ml_backend.errors import BadRequest, PapLoopError, Unavailable


def unstorable(cause: BaseException) -> BadRequest:
    """The error for a value that no retry stores."""
    if isinstance(cause, OverflowError):
        return BadRequest(
            "A number is too large for the database. Correct it and send it again.", code="database.unstorable"
        )
    if isinstance(cause, UnicodeEncodeError):
        return BadRequest(
            f"The text {cause.object[:100]!r} is not valid Unicode and cannot be stored. Rename that file or value.",
            code="database.unstorable",
        )
    return BadRequest(
        f"A value cannot be stored ({str(cause).strip()}). Correct it and send it again.", code="database.unstorable"
    )


def database_error(error: Exception, lock_wait: float) -> PapLoopError:
    """Whether the database is away, which passes, or this statement can never go through."""
    cause = error.orig if isinstance(error, StatementError) and error.orig is not None else error
    name, state = getattr(cause, "sqlite_errorname", ""), str(getattr(cause, "sqlstate", None) or "")
    of_value = state.startswith("22") or state == "42804" or name in ("SQLITE_TOOBIG", "SQLITE_MISMATCH")
    if isinstance(cause, OverflowError | UnicodeEncodeError | TypeError | ValueError) or isinstance(error, DataError):
        return unstorable(cause)
    if of_value or re.search("binding parameter|cannot adapt", str(cause)):
        return unstorable(cause)
    words = {
        "SQLITE_BUSY": f"Another process kept the database locked for {lock_wait:g} s. "
        "Try again; if that does not help, look for a process that hangs.",
        "SQLITE_FULL": "The disk with the database is full. Free some space; nothing that was stored is lost.",
        "SQLITE_READONLY": "The database cannot be written. Give this user access to its file and folder.",
        "SQLITE_CANTOPEN": "The database file cannot be opened. Check the data directory and its permissions.",
        "SQLITE_CORRUPT": "The database file is damaged. Stop PapLoop and restore the last backup.",
        "SQLITE_NOTADB": "The database file is not a SQLite database. Check the data directory and the database URL.",
    }
    for prefix, sentence in words.items():
        if name.startswith(prefix):
            return Unavailable(sentence, code="database.failed")
    # SQLite's "logic error" and PostgreSQL's class 42: a table or column that is not there, a statement it cannot read.
    if name == "SQLITE_ERROR" or state.startswith("42"):
        return PapLoopError(
            f"The database refused a statement ({str(cause).strip()}); check that it belongs to this version "
            "of PapLoop and restart PapLoop. If the problem persists, report it with the log.",
            code="database.refused",
        )
    return Unavailable(
        f"The database failed ({str(cause).strip()}). Check that it runs, then try again.", code="database.failed"
    )
