"""`paploop events`: webhooks that could not be applied."""

from __future__ import annotations

from typing import Annotated

import typer

from ml_backend.cli._answer import print_json, print_table, say, when
from ml_backend.cli._open import opened
from ml_backend.cli._options import AsJson, ProjectId
from ml_backend.errors import BadRequest


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog="Example: paploop events 7; paploop events --apply 812")
    def events(
        project: ProjectId = None,
        apply: Annotated[int | None, typer.Option("--apply", help="Apply this one again.")] = None,
        discard: Annotated[int | None, typer.Option("--discard", help="Discard this one.")] = None,
        as_json: AsJson = False,
    ) -> None:
        """List webhooks that were set aside because only they failed; apply or discard one of them."""
        from ml_backend.loop import event_queue

        if apply is not None and discard is not None:
            raise BadRequest("Give either --apply or --discard, not both.")
        with opened() as services:
            if apply is not None:
                event, done = event_queue.apply_again(services, apply), "was applied"
            elif discard is not None:
                event, done = event_queue.discard(services, discard), "was discarded"
            else:
                found = services.store.events.set_aside(project)
        if apply is not None or discard is not None:
            summary = event_queue.event_summary(event)
            print_json(summary) if as_json else say(f"Webhook {event.id} ({event.action}) {done}.")
            return
        if as_json:
            print_json([{**event_queue.event_summary(event), "body": dict(event.body)} for event in found])
            return
        if not found:
            say("No webhooks are set aside.")
            return
        columns = ("webhook", "project", "what", "received", "tries", "reason")
        rows = [(e.id, e.project_id, e.action, when(e.received_at), e.tries, e.error) for e in found]
        print_table(columns, rows)
        say("`paploop events --apply NUMBER` applies one again; `--discard NUMBER` discards it.")
