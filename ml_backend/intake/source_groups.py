"""Which images belong to one patient or slide: proposed from file names, applied before the split is used."""

from __future__ import annotations

from collections.abc import Sequence

from ml_backend.duplicates.regroup import SIDE, groups_lock
from ml_backend.errors import BadRequest, Conflict
from ml_backend.images.items import display_name, split_salt
from ml_backend.state.files import DataDir
from ml_backend.state.records import ItemChange
from ml_backend.state.store import Store
from training.data.name_groups import Proposal, propose_groups
from training.data.split import place, source_group

PROPOSED = "auto"
"""Said instead of a pattern: take the one that is proposed."""

NONE = "none"
"""Said instead of a pattern: names tell nothing, and nothing is to be proposed any more."""

EACH_FILE = r"(?s)^.+$"
"""The pattern behind `NONE`: every file is a group of its own."""


def proposal_for(store: Store, project_id: int, names: Sequence[str] = ()) -> Proposal | None:
    """What to propose for a project whose lead has said nothing yet; None where there is nothing to say.

    Args:
        store: the database.
        project_id: Label Studio's project id.
        names: of the files that are about to come in.
    """
    if store.projects.settings(project_id).group_pattern:
        return None
    known = (display_name(item) for item in store.items.all(project_id))
    # A file that came in before is one image, not two of one patient.
    return propose_groups(list(dict.fromkeys([*names, *known])))


def set_group_pattern(store: Store, files: DataDir, project_id: int, wanted: str, names: Sequence[str] = ()) -> str:
    """Set a project's pattern and assign the images it already has to their sides again.

    Args:
        store: the database.
        files: hold the lock of the project's groups.
        project_id: Label Studio's project id.
        wanted: a regular expression, "auto" for the proposed one, or "none" where names tell nothing.
        names: of files that are about to come in, for "auto".

    Returns:
        The pattern.

    Raises:
        BadRequest: it is not a regular expression, or nothing can be proposed.
        Conflict: a training run has used the split, which is frozen since.
    """
    settings = store.projects.settings(project_id)
    pattern = EACH_FILE if wanted == NONE else wanted
    if wanted == PROPOSED:
        proposal = proposal_for(store, project_id, names)
        if proposal is None and not settings.group_pattern:
            raise BadRequest("The file names do not share evident prefixes. Pass a pattern instead of 'auto'.")
        pattern = proposal.pattern if proposal is not None else settings.group_pattern
    if pattern == settings.group_pattern:
        return pattern
    changed = settings.changed(group_pattern=pattern)
    with files.lock(groups_lock(project_id)):
        placed = [item for item in store.items.all(project_id) if item.split]
        used = store.runs.first_split_use(project_id)
        if placed and used is not None:
            raise Conflict(
                f"Run {used} was trained on the current split, so existing images keep their sides. `paploop "
                f"strategy {project_id} --set 'group_pattern={pattern}'` sets the pattern for later images.",
                code="split.frozen",
                run=used,
            )
        sources = {item.id: source_group(display_name(item), pattern) for item in placed}
        sides = place(
            new=[(item.id, sources[item.id], item.group_id) for item in placed],
            known=[],
            fraction=changed.validation_fraction,
            salt=split_salt(project_id),
        )
        changes: list[ItemChange] = [
            {
                "id": item.id,
                "source_group": sources[item.id],
                "split": sides[item.id],
                "meta": {name: value for name, value in item.meta.items() if name != SIDE},
            }
            for item in placed
        ]
        store.items.update(changes)
        store.projects.save_settings(project_id, changed)
    return pattern
