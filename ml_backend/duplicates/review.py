"""Confirmed labels in duplicate groups: conflicts to review, and labels that other members can get."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict

from ml_backend.duplicates.regroup import groups_of
from ml_backend.errors import LabelConfigError
from ml_backend.images.items import display_name
from ml_backend.labels.project import ProjectLabels, project_labels
from ml_backend.labels.rule import rule_of
from ml_backend.state.records import ItemRow, RankingEntry
from ml_backend.state.rows.items import ItemRows
from ml_backend.state.store import Store


class ConflictMember(TypedDict):
    """An image of a group with different labels, and its label."""

    item: int
    task: int
    name: str
    label: str


class ConflictEntry(TypedDict):
    """A group with different labels: its number and its labeled images."""

    group: int
    members: list[ConflictMember]


class CopyEntry(TypedDict):
    """An image without a task of its own; `task` and `shown` name the one that is asked about in its place."""

    item: int
    name: str
    task: int | None
    shown: str


class GroupMember(TypedDict):
    """An image of a group, with its confirmed label or the one that it is offered."""

    item: int
    task: int | None
    name: str
    split: str
    label: str | None
    offered: str | None


class GroupEntry(TypedDict):
    """A group of two or more images, and whether their labels differ."""

    group: int
    conflict: bool
    members: list[GroupMember]


@dataclass(frozen=True)
class LabelConflict:
    """A group whose members were labeled differently: task id -> label."""

    group: int
    labels: Mapping[int, str]


@dataclass(frozen=True)
class Offer:
    """A label proposed for an item from its group, and the member on which it was confirmed."""

    label: str
    labelled: ItemRow

    @property
    def why(self) -> str:
        """In words, for the order."""
        return f"shows the same as {display_name(self.labelled)}, which is labeled {self.label}: that label is proposed"


def label_conflicts(items: Iterable[ItemRow], labels: Mapping[int, str]) -> list[LabelConflict]:
    """Groups to review.

    Args:
        items: of one project; those with a confirmed label are enough.
        labels: task id -> confirmed label.
    """
    conflicts = []
    for group, members in groups_of(items).items():
        said = {m.task_id: labels[m.task_id] for m in members if m.task_id is not None and m.task_id in labels}
        if len(set(said.values())) > 1:
            conflicts.append(LabelConflict(group, said))
    return conflicts


def offers(items: Iterable[ItemRow], labels: Mapping[int, str]) -> dict[int, Offer]:
    """Item id -> label that its group agrees on, for unlabeled members; a conflict proposes nothing."""
    found: dict[int, Offer] = {}
    for members in groups_of(items).values():
        told = [m for m in members if m.task_id is not None and m.task_id in labels]
        said = {labels[m.task_id or -1] for m in told}
        if len(said) == 1:
            offer = Offer(said.pop(), told[0])
            found.update({m.id: offer for m in members if m.task_id is None or m.task_id not in labels})
    return found


def explain_offers(entries: Sequence[RankingEntry], offered: Mapping[int, Offer]) -> list[RankingEntry]:
    """An order whose entries say where a proposed label comes from."""
    return [replace(entry, why=offered[entry.item_id].why) if entry.item_id in offered else entry for entry in entries]


def conflict_list(store: Store, project_id: int) -> list[ConflictEntry]:
    """Every group with different confirmed labels: its number and the tasks with image and label.

    Only items with a confirmed label are read, so that a page can ask at any time.
    """
    labels = confirmed_labels(store, project_id)
    items = store.items.by_task(project_id, labels)
    return [
        {
            "group": conflict.group,
            "members": [
                {"item": items[task].id, "task": task, "name": display_name(items[task]), "label": label}
                for task, label in sorted(conflict.labels.items())
            ],
        }
        for conflict in label_conflicts(items.values(), labels)
    ]


def copies_of(ready: Sequence[ItemRow]) -> list[ItemRow]:
    """Ready images without a task of their own, because another image is labeled in their place."""
    known = {item.id for item in ready}
    return [i for i in ready if i.task_id is None and i.group_id != i.id and i.group_id in known]


def copy_list(rows: ItemRows, project_id: int, limit: int) -> list[CopyEntry]:
    """The newest images without a task of their own, each with the image that is labeled in its place."""
    items = {item.id: item for item in rows.all(project_id, states=("ready",))}
    copies = copies_of(list(items.values()))
    shown = [(copy, items[copy.group_id or copy.id]) for copy in copies[: -limit - 1 : -1]]
    return [
        {"item": c.id, "name": display_name(c), "task": lead.task_id, "shown": display_name(lead)} for c, lead in shown
    ]


def group_list(store: Store, project_id: int) -> list[GroupEntry]:
    """Every group of two or more items: members with task, image, split, confirmed label or the one offered."""
    labels = confirmed_labels(store, project_id)
    items = store.items.all(project_id)
    clashing = {conflict.group for conflict in label_conflicts(items, labels)}
    offered = offers(items, labels)
    return [
        {
            "group": group,
            "conflict": group in clashing,
            "members": [
                {
                    "item": m.id,
                    "task": m.task_id,
                    "name": display_name(m),
                    "split": m.split,
                    "label": labels.get(m.task_id or -1),
                    "offered": offered[m.id].label if m.id in offered else None,
                }
                for m in members
            ],
        }
        for group, members in sorted(groups_of(items).items())
        if len(members) > 1
    ]


def confirmed_labels(store: Store, project_id: int) -> Mapping[int, str]:
    """Task id -> class where labels are about single images; nothing for projects of other kinds."""
    try:
        labels = project_labels(store, project_id)
    except LabelConfigError:
        return {}
    return labels.labels if rule_of(labels.job).is_of_image else {}


def offers_of(rows: ItemRows, project_id: int, labels: ProjectLabels) -> dict[int, Offer]:
    """The offers that follow from labels; none where they are about more than the image, as boxes are."""
    if not labels.labels or not rule_of(labels.job).is_of_image:
        return {}
    return offers(rows.all(project_id, states=("ready",)), labels.labels)
