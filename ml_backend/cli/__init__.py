"""`paploop`: every file of this folder with a `register(app)` is a command, found by its file name."""

from __future__ import annotations

import logging
import sys
from importlib import import_module
from pkgutil import iter_modules

import typer

from ml_backend.plain_text import log_to_standard_error, plain

FAILED = 1
BAD_REQUEST = 2
INCOMPLETE = 3
"""The command did its work, but left out something that it was given."""
INTERRUPTED = 130


def build_app() -> typer.Typer:
    """The application with every command of this folder."""
    app = typer.Typer(
        name="paploop",
        help="Active-learning labeling for Label Studio: pre-annotations, acquisition order, background retraining.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for module in sorted(iter_modules(__path__), key=lambda found: found.name):
        if not module.name.startswith("_"):
            import_module(f"{__name__}.{module.name}").register(app)
    return app


def exit_code(error: Exception) -> int | None:
    """The exit code for an error that a user can act on; None for a programming error."""
    from ml_backend.errors import PapLoopError

    if isinstance(error, PapLoopError):
        return BAD_REQUEST if 400 <= error.status < 500 else FAILED
    from strategies.base import StrategyError
    from training.types import TrainingError

    if isinstance(error, StrategyError):
        return BAD_REQUEST
    return FAILED if isinstance(error, TrainingError) else None


def main() -> None:
    """Run the command line; errors that a user can act on become one red sentence."""
    log_to_standard_error(logging.WARNING, "%(levelname)s %(name)s: %(message)s")
    try:
        build_app()()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception as error:
        code = exit_code(error)
        if code is None:
            raise
        from rich.console import Console

        Console(stderr=True).print(plain(str(error)), style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(code)
