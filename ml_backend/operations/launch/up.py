"""`paploop up`: start, prepare, show the addresses, watch, stop."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from ml_backend.errors import Conflict, PapLoopError
from ml_backend.operations.launch import label_studio, probes, programs
from ml_backend.operations.launch.addresses import choose_addresses
from ml_backend.operations.launch.stack import Stack
from ml_backend.operations.screen import stages
from ml_backend.progress import Stage
from ml_backend.services import build_services, with_secrets
from ml_backend.settings import Settings, environment_settings, read_settings
from ml_backend.state.files import DataDir
from ml_backend.state.secret_file import Secrets, load_secrets

if TYPE_CHECKING:
    from ml_backend.intake.projects import Interface
    from training.types import Progress

LABEL_STUDIO_PATIENCE = 600.0
PATIENCE = 120.0
FIRST_START = 120.0
LATER_START = 12.0


@dataclass(frozen=True)
class Machine:
    """A stack with the settings that its programs run under."""

    settings: Settings
    secrets: Secrets
    files: DataDir
    stack: Stack


def prepare(label_studio_port: int | None = None) -> Machine:
    """Choose addresses and secrets and put the stack together; nothing runs yet.

    Raises:
        Conflict: a port is taken.
        NotFound: a program is not installed.
    """
    given = environment_settings()
    files = DataDir(given.data_dir)
    choose_addresses(given, files, label_studio_port)
    settings = with_secrets(read_settings(), files)
    secrets = load_secrets(files)
    chosen = [programs.web(settings), programs.worker(settings)]
    if "redis_url" not in given.model_fields_set:
        chosen.append(programs.redis(settings, files))
    if "label_studio_url" not in given.model_fields_set:
        chosen.append(label_studio.program(settings, files, secrets))
    return Machine(settings, secrets, files, Stack(files, chosen))


def wait_until_ready(machine: Machine, stage: Stage) -> None:
    """Wait for every program to respond, with a progress bar for each.

    Raises:
        Unavailable: one does not; the message holds the end of its log.
    """
    settings, stack = machine.settings, machine.stack
    first = not (machine.files.root / "label-studio" / "label_studio.sqlite3").exists()
    expected = FIRST_START if first else LATER_START
    waits: list[tuple[str, str, Callable[[Settings], bool], float, float]] = [
        ("redis", "Starting Redis", probes.redis_answers, PATIENCE, 2),
        ("web", "Starting PapLoop", probes.web_answers, PATIENCE, 5),
        (
            "label-studio",
            "Label Studio, first start" if first else "Starting Label Studio",
            probes.label_studio_answers,
            LABEL_STUDIO_PATIENCE,
            expected,
        ),
    ]
    for name, title, probe, patience, usual in waits:
        progress = stage(title)

        def tick(waited: float, progress: Progress = progress, usual: float = usual) -> None:
            progress(min(0.95, waited / usual), f"{waited:.0f} s, usually about {usual:.0f} s")

        stack.wait_ready(name, partial(probe, settings), patience, tick)
        progress(1.0, "")


@contextmanager
def interrupt_on_terminate() -> Iterator[None]:
    """Let SIGTERM and SIGHUP do what Ctrl-C does, and Ctrl-C too where a shell had it ignored (`make run &`)."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_until_interrupted(
    images: Path | None,
    seed_labels: int,
    label_studio_port: int | None,
    interface: Interface,
    group_pattern: str = "",
) -> None:
    """Start everything, prepare the project, show where it is, and stay until Ctrl-C.

    Args:
        images: the user's folder; None = the demo.
        seed_labels: labels submitted from folder names.
        label_studio_port: asked for on the command line, or None.
        interface: of a project that is made now.
        group_pattern: finds the patient or slide in a file name; "auto" = the proposed one.

    Raises:
        Conflict: it runs already in this data directory, or a port is taken.
        NotFound, BadRequest: the folder is not there or holds no image; nothing was started.
    """
    from ml_backend.operations.launch.content import check, draw_ahead, fill

    check(images, seed_labels, interface)
    files = DataDir(environment_settings().data_dir)
    if files.is_held("up"):
        raise Conflict(
            f"PapLoop is already running on {files.root}. Stop it first, or set PAPLOOP_DATA_DIR to another folder."
        )
    with files.lock("up", wait=False), interrupt_on_terminate():
        machine = prepare(label_studio_port)
        try:
            machine.stack.start()
            drawing = draw_ahead(files, interface) if images is None else None
            with stages() as stage:
                wait_until_ready(machine, stage)
                if drawing is not None:
                    drawing.join()
                services = build_services(machine.settings)
                project_id = fill(services, images, seed_labels, stage, interface, group_pattern)
            show(services.settings, machine, project_id)
            services.store.close()
            watch(machine.stack)
        except KeyboardInterrupt:
            print("\nStopping Redis, Label Studio, PapLoop and the worker ...", flush=True)
        finally:
            machine.stack.stop()


def show(settings: Settings, machine: Machine, project_id: int) -> None:
    """Print the addresses and the login."""
    from rich.console import Console
    from rich.panel import Panel

    address = (settings.label_studio_public_url or settings.label_studio_url).rstrip("/")
    own = any(program.name == "label-studio" for program in machine.stack.programs)
    lines = [
        f"Label Studio   {address}/projects/{project_id}/data",
        *(
            [f"   login       {label_studio.LOGIN}", f"   password    {machine.secrets.label_studio_password}"]
            if own
            else []
        ),
        f"PapLoop        {settings.resolved_public_url}/dashboard/{project_id}",
        f"   login       {settings.basic_auth_user}",
        f"   password    {settings.basic_auth_password.get_secret_value()}",
        "",
        'Open Label Studio, press "Label All Tasks", and correct what the model proposes.',
        "Ctrl-C stops everything; `make run` resumes where you left off.",
    ]
    console = Console(width=max(100, Console().width))
    console.print(Panel.fit("\n".join(lines), title="PapLoop is ready"), markup=False, highlight=False, soft_wrap=True)


def watch(stack: Stack) -> None:
    """Print what the supervisor reports about exits, until it ends.

    Raises:
        PapLoopError: the supervisor ended by itself.
    """
    with stack.supervisor_log.open(errors="replace") as log:
        log.seek(0, 2)
        while stack.alive:
            for line in log:
                print(line.rstrip(), flush=True)
            time.sleep(0.5)
    raise PapLoopError(f"The supervisor ended, so everything was stopped. See {stack.supervisor_log}.")
