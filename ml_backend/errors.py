"""One exception tree; every message is a sentence that says what happened and what to do next.

PapLoopError
├── BadRequest (400)            the caller sent something wrong
│   ├── LabelConfigError        the labeling config cannot be used
│   └── ImageError              one image cannot be used; the rest of the batch goes on
├── Unauthorized (401)
├── NotFound (404)
├── Conflict (409)              what is asked clashes with the present state
│   └── Busy                    somebody else works on it: no failure, whoever it is goes on
├── Damaged (500)               a file of ours cannot be read: no retry helps
└── Unavailable (503)           something outside is away: worth a retry with back-off
    ├── LabelStudioUnavailable
    │   └── AnswerLost          the call may have been done, or may still be under way
    ├── QueueUnavailable
    └── Overloaded              PapLoop itself has too much to do: the answer says when to ask again

Programs use an error's `code`, which stays the same when the sentence is put better; docs/api.md lists the codes.
"""

from __future__ import annotations

from typing import ClassVar


class PapLoopError(Exception):
    """Base of all errors that a user sees.

    Args:
        message: what happened and what to do.
        code: a more exact code than that of the class.
        data: what the sentence speaks of, for programs: numbers of projects, runs, items.

    Attributes:
        status: HTTP status.
        code: a stable name of what happened.
        data: see above.
    """

    status: ClassVar[int] = 500
    code: str = "failed"

    def __init__(self, message: str, *, code: str = "", **data: str | float) -> None:
        super().__init__(message)
        self.code = code or type(self).code
        self.data = data


class BadRequest(PapLoopError):
    """The caller sent something wrong."""

    status = 400
    code = "request.invalid"


class LabelConfigError(BadRequest):
    """The labeling config has no control that PapLoop can drive, or is not valid XML."""

    code = "label_config.unusable"


class ImageError(BadRequest):
    """One image cannot be fetched or decoded."""

    code = "image.unreadable"


class Unauthorized(PapLoopError):
    """Credentials are wrong or missing."""

    status = 401
    code = "login.refused"


class NotFound(PapLoopError):
    """The thing asked for does not exist."""

    status = 404
    code = "not_found"


class Conflict(PapLoopError):
    """The thing asked for clashes with the present state."""

    status = 409
    code = "conflict"


class Busy(Conflict):
    """Somebody else works on the thing, or has moved it on; nothing is wrong with it."""

    code = "busy"


class Damaged(PapLoopError):
    """A file that PapLoop keeps is damaged; trying again does not help."""

    code = "file.damaged"


class Unavailable(PapLoopError):
    """Something outside PapLoop is away; trying again later can help."""

    status = 503
    code = "unavailable"


class LabelStudioUnavailable(Unavailable):
    """Label Studio does not respond, or responds with a server error."""

    code = "label_studio.unavailable"


class AnswerLost(LabelStudioUnavailable):
    """Label Studio took a call and its answer never came: it may be done, it may still be under way."""

    code = "label_studio.answer_lost"


class QueueUnavailable(Unavailable):
    """Redis does not answer."""

    code = "queue.unavailable"


class Overloaded(Unavailable):
    """PapLoop has too much to do just now.

    Args:
        message: what happened and what to do.
        retry_after: seconds after which the caller may ask again.
    """

    code = "overloaded"

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message, retry_after=retry_after)
        self.retry_after = retry_after
