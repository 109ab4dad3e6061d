"""The order of a project: a `Pool` from the store, a strategy's order, validation items mixed in, positions as scores.

With a validation fraction of 1/5, s what the strategy chose, r what it left over and v validation items at random::

    head                                        rest                  end
    s1  s2  s3  s4  v1  s5  s6  s7  s8  v2  ...  r1  r2  r3  r4  v9 ...  quarantine, then copies of what comes before
    0   1/n 2/n ...                             score = position / n           (n-1)/n

Once enough validation items are labeled, the others come before the quarantine instead.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import strategies
from ml_backend.errors import BadRequest
from ml_backend.label_studio.config.job import Kind
from ml_backend.ordering.mixing import groups_once, interleave
from ml_backend.ordering.strategy_choice import fitting
from ml_backend.state.class_probs import over_classes
from ml_backend.state.files import DataDir
from ml_backend.state.project_settings import ProjectSettings
from ml_backend.state.provenance import Provenance
from ml_backend.state.records import ItemRow, RankingEntry
from ml_backend.state.rows.items import ItemRows
from ml_backend.state.rows.runs import RunRows
from ml_backend.state.store import Store
from ml_backend.state.vectors import Vectors
from strategies.base import FloatArray, Pool, Ranking, StrategyError
from strategies.near_duplicates.version import GROUPS_VERSION
from strategies.why import phrase

COLD_START = "max_herding"
"""What orders a pool for which no model can say anything yet."""

Needs = frozenset[str]

EXPLAINED = 100
"""So many of the first items get a sentence on why they were chosen."""


@dataclass(frozen=True)
class ProjectOrder:
    """An order of a project's unlabeled items and its provenance."""

    strategy: str
    entries: Sequence[RankingEntry]
    provenance: Provenance


def candidates(rows: ItemRows, project_id: int, encoder: str) -> list[ItemRow]:
    """Items of a project that can be ranked: with a task and an embedding of this encoder."""
    items = rows.all(project_id, states=("ready",))
    return [item for item in items if item.task_id is not None and item.encoder == encoder]


def _probabilities(
    store: Store, files: DataDir, items: Sequence[ItemRow], request: OrderRequest, needs: Needs
) -> FloatArray:
    """`(members, n, classes)` float32; no members where an answer is missing or the model knows none of the classes."""
    nobody = np.zeros((0, len(items), len(request.classes)), dtype=np.float32)
    if request.run_id is None:
        return nobody
    if "members" in needs:
        return _committee(store.runs, files, items, request)
    stored = store.answers.of(request.run_id)
    rows = {item_id: row for row, item_id in enumerate(stored.ids.tolist())}
    wanted = [rows.get(item.id, -1) for item in items]
    if min(wanted) < 0 or not set(stored.classes) & set(request.classes):
        return nobody
    return stored.over(request.classes)[wanted][None]


def _committee(runs: RunRows, files: DataDir, items: Sequence[ItemRow], request: OrderRequest) -> FloatArray:
    from training.jobs.committee import committee

    assert request.run_id is not None
    folder = files.run_dir(request.run_id)
    trained = runs.one(request.run_id).request.classes
    rows = np.array([item.vector_row for item in items], dtype=np.int64)
    answers = committee(folder, Vectors.of(files, request.encoder).rows(rows), seed=request.seed)
    return np.stack([over_classes(answer, trained, request.classes) for answer in answers])


def snapshot(store: Store, files: DataDir, items: Sequence[ItemRow], request: OrderRequest, needs: Needs) -> Pool:
    """The project's n embedded items as arrays."""
    n = len(items)
    rows = np.array([item.vector_row for item in items], dtype=np.int64)
    labels = [request.labels.get(item.task_id or -1, -1) for item in items]
    return Pool(
        ids=np.array([item.id for item in items], dtype=np.int64),
        probs=_probabilities(store, files, items, request, needs),
        offsets=np.arange(n + 1, dtype=np.int64),
        embeddings=Vectors.of(files, request.encoder).rows(rows),
        region_embeddings=None,
        labels=np.array(labels, dtype=np.int64),
        labelled=np.array([item.task_id in request.touched for item in items], dtype=bool),
        groups=np.array([item.group_id or item.id for item in items], dtype=np.int64),
    )


@dataclass(frozen=True)
class OrderRequest:
    """The request for an order.

    Attributes:
        run_id: the model run whose stored probabilities are used, or None at cold start.
        classes: class names of the label config; what models say is brought into their order by name.
        touched: tasks that some annotator finished, whether or not the label can be used.
        encoder: key of the embedding matrix.
        seed: of the random generator.
        competence: measurements of the model on validation, for strategies that switch by it.
        labels: task id -> class index of confirmed labels, where an image has one.
        kind: what the project asks for.
        objects: class name -> objects drawn so far.
        have: the same in the order of the detector's classes, for strategies that count them.
    """

    run_id: int | None
    classes: Sequence[str]
    touched: frozenset[int]
    encoder: str
    seed: int
    competence: Mapping[str, Any]
    labels: Mapping[int, int] = dataclasses.field(default_factory=dict)
    kind: Kind = "classification"
    objects: Mapping[str, int] = dataclasses.field(default_factory=dict)
    have: tuple[float, ...] = ()


@dataclass(frozen=True)
class Chosen:
    """What a strategy returned for the part of the pool that it may choose from."""

    name: str
    note: str
    pool: Pool
    ranking: Ranking


def order_project(store: Store, files: DataDir, project_id: int, request: OrderRequest) -> ProjectOrder:
    """Rank every unlabeled item of a project.

    Validation items are drawn at random and mixed in at the validation fraction, never chosen by the strategy: a
    validation set picked by uncertainty would judge every model on its predecessor's doubts.
    """
    asked = store.projects.settings(project_id)
    settings, note = fitting(asked, request.kind)
    items = candidates(store.items, project_id, request.encoder)
    if not items:
        return ProjectOrder(settings.strategy, [], Provenance(seed=request.seed))
    rng = np.random.default_rng(request.seed)
    pool = snapshot(store, files, items, request, strategies.describe(settings.strategy).needs)
    splits = np.array([item.split for item in items])
    chosen = choose(to_learn_from(pool, splits), settings, rng, request)
    chosen = dataclasses.replace(chosen, note=" ".join(said for said in (note, chosen.note) if said))
    order = mix(pool, splits, chosen, settings, rng)
    return ProjectOrder(
        chosen.name,
        entries_of(items, order, splits == "validation", chosen, request.classes),
        provenance_of(asked, chosen, pool, request),
    )


def to_learn_from(pool: Pool, splits: NDArray[np.str_]) -> Pool:
    """The pool as a strategy may see it: items of other sides are present, but without labels and not selectable."""
    learn = (splits != "validation") & (splits != "quarantine")
    return dataclasses.replace(
        pool,
        labels=np.where(learn, pool.labels, -1),
        labelled=pool.labelled & learn,
        candidates=learn & ~pool.labelled,
    )


def choose(pool: Pool, settings: ProjectSettings, rng: np.random.Generator, request: OrderRequest) -> Chosen:
    """Rank with the project's strategy, or with the cold-start strategy if there is no model.

    Raises:
        BadRequest: the strategy cannot rank this pool.
    """
    name, note = settings.strategy, ""
    offered = {"competence": request.competence, "have": request.have}
    parameters = {**settings.strategy_params, **strategies.accepted(name, offered)}
    if {"probs", "members"} & strategies.describe(name).needs and pool.probs.shape[0] == 0:
        why = "there is none yet" if request.run_id is None else "no model has the classes of this project yet"
        note = f"{name} needs a model and {why}, so {COLD_START} orders the pool."
        name, parameters = COLD_START, {}
    budget = min(settings.window, len(pool.open))
    try:
        ranking = strategies.rank(name, pool, budget, rng, **parameters)
    except StrategyError as error:
        raise BadRequest(f"The strategy {name} cannot rank this project: {error}") from error
    return Chosen(ranking.by or name, note, pool, ranking)


def mix(
    pool: Pool,
    splits: NDArray[np.str_],
    chosen: Chosen,
    settings: ProjectSettings,
    rng: np.random.Generator,
) -> list[int]:
    """The strategy's order, then the items outside its window, with validation items mixed in."""
    held = splits == "validation"
    first = chosen.ranking.order.tolist()
    left = np.setdiff1d(chosen.pool.open, chosen.ranking.order)
    rest = left[np.argsort(-chosen.ranking.utilities[left], kind="stable")].tolist()
    validation = [int(p) for p in rng.permutation(np.flatnonzero(held)) if not pool.labelled[p]]
    known = pool.labelled if pool.background else pool.labels >= 0
    enough = int((held & known).sum()) >= settings.validation_cap
    mixed = interleave(first + rest, [] if enough else validation, settings.validation_fraction)
    tail = (validation if enough else []) + [int(p) for p in np.flatnonzero(splits == "quarantine")]
    return groups_once(pool, mixed + [p for p in tail if not pool.labelled[p]])


def entries_of(
    items: Sequence[ItemRow],
    order: Sequence[int],
    held: NDArray[np.bool_],
    chosen: Chosen,
    classes: Sequence[str],
) -> list[RankingEntry]:
    """The order as rows, positions as scores, with a sentence on why for the first ones.

    Args:
        items: what the pool was made of.
        order: positions in it.
        held: which of them are validation items.
        chosen: what the strategy answered.
        classes: names of the columns of the pool's probabilities.
    """
    top = set(chosen.ranking.order[:EXPLAINED].tolist())
    utilities, groups = chosen.ranking.utilities, chosen.pool.groups
    seen = set(groups[chosen.pool.labelled].tolist())

    def why(position: int) -> str:
        group = int(groups[position])
        if group in seen and not chosen.pool.labelled[position]:
            return "shows the same specimen as an image that is labeled or comes before it"
        seen.add(group)
        if held[position]:
            return "drawn at random for the validation set"
        return phrase(chosen.ranking, chosen.pool, classes, position) if position in top else ""

    return [
        RankingEntry(items[p].id, place, place / len(order), float(utilities[p]), why(p))
        for place, p in enumerate(order)
    ]


def provenance_of(settings: ProjectSettings, chosen: Chosen, pool: Pool, request: OrderRequest) -> Provenance:
    """The inputs of an order, so that it can be reproduced."""
    digest = hashlib.sha256()
    for part in (pool.ids, pool.labels, pool.labelled, pool.groups):
        digest.update(np.ascontiguousarray(part).tobytes())
    return Provenance(
        strategy=chosen.name,
        asked=settings.strategy,
        note=" ".join(said for said in (chosen.note, chosen.ranking.note) if said),
        facts=dict(chosen.ranking.facts),
        parameters=dict(settings.strategy_params) if chosen.name == settings.strategy else {},
        seed=request.seed,
        window=settings.window,
        model_run=request.run_id,
        encoder=request.encoder,
        index_version=GROUPS_VERSION,
        duplicates={"radius": settings.duplicate_radius, "share": settings.duplicate_share},
        items=len(pool),
        labelled=int(pool.labelled.sum()),
        data_hash=digest.hexdigest()[:16],
    )
