"""Simulates the detection loop on known boxes: rank, reveal, train on, measure AP50, repeat."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ml_backend.errors import BadRequest
from ml_backend.experiments.replay.objects_choice import Chooser
from ml_backend.experiments.replay.objects_material import Material
from ml_backend.experiments.replay.objects_meter import Meter
from ml_backend.experiments.replay.objects_rounds import Round, Rounds
from ml_backend.experiments.replay.objects_terms import PACE_STEPS, PREDICTION, START, STEPS, Terms
from ml_backend.ordering.objects import strategy_for
from ml_backend.state.project_settings import ProjectSettings
from training.data.detection_set import DetectionSet
from training.detection.detectron2.rcnn import Detector
from training.detection.detectron2.training import fit
from training.evaluation.detection import evaluate, matched
from training.types import Progress

Tell = Callable[[str], None]


@dataclass(frozen=True)
class ObjectReplay:
    """Rounds of every strategy and seed.

    Attributes:
        classes: names.
        budgets: `(b,)` labeled images.
        curves: strategy -> a tuple of b rounds for each seed.
        full: the detector that was taught the whole pool, with as many steps as the rounds of a strategy have together.
        steps: of training in each round.
    """

    classes: tuple[str, ...]
    budgets: tuple[int, ...]
    curves: Mapping[str, tuple[tuple[Round, ...], ...]]
    full: Round
    steps: int


def replay_objects(
    material: Material, terms: Terms, rounds: Rounds, progress: Progress, tell: Tell, encoder: str = "lite0"
) -> ObjectReplay:
    """Replay strategies on a pool whose boxes are known.

    All strategies of a seed go on from the same first detector, taught the same images drawn at random; each later
    round goes on from its predecessor and sees all labels again. What `rounds` holds already is not played again.

    Args:
        material: pool and test part.
        terms: from `checked`.
        rounds: where finished rounds lie.
        progress: called with the progress and how long it will take.
        tell: told about every finished round.
        encoder: of whole images, for strategies that ask for embeddings.

    Raises:
        BadRequest: the first images of a seed hold no object.
        TrainingError: training broke down.
        StrategyError: a strategy cannot work here.
    """
    game = _Game(material, terms, rounds, progress, tell, encoder)
    curves: dict[str, list[tuple[Round, ...]]] = {name: [] for name in terms.names}
    full = game.full()
    for seed in range(terms.seeds):
        for name in terms.names:
            curves[name].append(game.curve(seed, name))
    progress(1.0, "replayed")
    return ObjectReplay(
        classes=material.pool.classes,
        budgets=terms.budgets,
        curves={name: tuple(each) for name, each in curves.items()},
        full=full,
        steps=game.steps,
    )


@dataclass(frozen=True)
class _Lesson:
    """What one round teaches a detector.

    Attributes:
        chain: name of the rounds that follow each other.
        step: its place among them.
        images: positions in the pool that it learns from.
        seed: of the training.
        steps: of the training.
        source: chain and step of the detector that it goes on from; None = the pretrained weights.
        cost: in steps of training, for the time that is left.
        text: what a person reads meanwhile.
        once: a name under which several curves share this round; its cost counts once.
        began: seconds of the monotonic clock at which the round began; None = when training begins.
    """

    chain: str
    step: int
    images: Sequence[int]
    seed: int
    steps: int
    source: tuple[str, int] | None
    cost: float
    text: str
    once: str = ""
    began: float | None = None


class _Game:
    """One replay: what its rounds share."""

    def __init__(
        self, material: Material, terms: Terms, rounds: Rounds, progress: Progress, tell: Tell, encoder: str
    ) -> None:
        self.material, self.terms, self.rounds, self.tell = material, terms, rounds, tell
        self.chooser = Chooser(material.pool, terms.recipe, encoder)
        self.sizes = [len(image.boxes) for image in material.pool.images]
        self.steps = self._steps()
        self.meter = Meter(self._total(), progress)

    def curve(self, seed: int, name: str) -> tuple[Round, ...]:
        """All rounds of a strategy with one seed."""
        chain = f"{seed}-{name}"
        done = [self._start(seed)]
        for step in range(1, len(self.terms.budgets)):
            held = self.rounds.read(chain, step)
            if held is None:
                held = self._next(seed, name, step, done[-1])
            else:
                self.meter.passed(self._cost(name), found=True)
            done.append(held)
        self.rounds.drop(chain, len(self.terms.budgets) - 1)
        return tuple(done)

    def full(self) -> Round:
        """The detector that learns from the whole pool."""
        every = tuple(range(len(self.material.pool.images)))
        held = self.rounds.read("full", 0)
        steps = self.steps * (START + len(self.terms.budgets) - 1)
        cost = steps + PREDICTION * len(self.material.test.images)
        if held is None:
            held = self._taught(_Lesson("full", 0, every, 0, steps, None, cost, f"all {len(every)} images"))
        else:
            self.meter.passed(cost, found=True)
        self.rounds.drop("full", 0)
        return held

    def _start(self, seed: int) -> Round:
        chain = f"{seed}-start"
        held = self.rounds.read(chain, 0)
        cost = START * self.steps + PREDICTION * len(self.material.test.images)
        if held is not None and self.rounds.checkpoint(chain, 0).is_dir():
            self.meter.passed(cost, once=chain, found=True)
            return held
        images = self._first(seed)
        text = f"seed {seed + 1}, the first {len(images)} images"
        return self._taught(_Lesson(chain, 0, images, seed, START * self.steps, None, cost, text, once=chain))

    def _first(self, seed: int) -> tuple[int, ...]:
        budget = self.terms.budgets[0]
        images = tuple(self.chooser.next("uniform", (), (), budget, np.random.default_rng([seed, 0])))
        if not any(self.sizes[image] for image in images):
            raise BadRequest(
                f"The first {budget} images of seed {seed + 1} contain no objects. Start with a larger number "
                "in --budgets."
            )
        return images

    def _next(self, seed: int, name: str, step: int, before: Round) -> Round:
        began = time.monotonic()
        source = (f"{seed}-start", 0) if step == 1 else (f"{seed}-{name}", step - 1)
        checkpoint = self.rounds.checkpoint(*source)
        budget = self.terms.budgets[step]
        self.meter.show(f"seed {seed + 1}, {name}, choosing {budget} images")
        asked = meant(name, before, len(self.material.pool.classes))
        found = self.chooser.look(asked, checkpoint)
        rng = np.random.default_rng([seed, step])
        images = (*before.images, *self.chooser.next(asked, found, before.images, budget, rng))
        text = f"seed {seed + 1}, {name}, {budget} images"
        cost = self._cost(name)
        return self._taught(_Lesson(f"{seed}-{name}", step, images, seed, self.steps, source, cost, text, began=began))

    def _taught(self, lesson: _Lesson) -> Round:
        """Train, measure and keep one round."""
        began = time.monotonic() if lesson.began is None else lesson.began
        pool, out = self.material.pool, self.rounds.checkpoint(lesson.chain, lesson.step)
        part = replace(pool, images=tuple(pool.images[index] for index in lesson.images))
        seed = 1000 * lesson.seed + lesson.step
        recipe = replace(self.terms.recipe, seed=seed, iterations=lesson.steps, minutes=None)
        init = None if lesson.source is None else self.rounds.checkpoint(*lesson.source)
        nothing = DetectionSet(pool.classes, ())
        fit(
            part,
            nothing,
            out,
            recipe,
            lambda share, _: self.meter.show(lesson.text, share * lesson.steps),
            init=init,
        )
        detector = Detector.load(out, device=recipe.device, threads=recipe.threads)
        test = self.material.test
        found = list(detector.predict([image.path for image in test.images]))
        measured = evaluate(test, found)
        done = Round(
            images=tuple(int(index) for index in lesson.images),
            objects=sum(self.sizes[index] for index in lesson.images),
            ap50=measured["AP50"] or 0.0,
            ap=measured["AP"] or 0.0,
            per_class={name: values["AP50"] for name, values in measured["per_class"].items()},
            matches=matched(test, found),
            seconds=round(time.monotonic() - began, 1),
        )
        self.rounds.write(lesson.chain, lesson.step, done)
        self.meter.passed(lesson.cost, once=lesson.once)
        self.tell(f"{lesson.text}, {done.objects} objects: AP50 {done.ap50:.3f}; {self.meter.left()}".rstrip("; ,"))
        return done

    def _cost(self, name: str) -> float:
        """Of one round, in steps of training."""
        seen = self.chooser.members(meant(name, None, 1)) * len(self.material.pool.images)
        return self.steps + PREDICTION * (len(self.material.test.images) + seen)

    def _total(self) -> float:
        later = range(1, len(self.terms.budgets))
        rounds = len(later) * sum(self._cost(name) for name in self.terms.names)
        measuring = PREDICTION * len(self.material.test.images)
        start, full = START * self.steps + measuring, self.steps * (START + len(later)) + measuring
        return full + self.terms.seeds * (rounds + start)

    def _steps(self) -> int:
        """Steps of a round; where minutes are given, the pace of this machine is measured once and kept."""
        if self.terms.minutes is None:
            return self.terms.steps or STEPS
        if "steps" not in self.rounds.terms:
            pool = self.material.pool
            part = replace(pool, images=tuple(pool.images[index] for index in self._first(0)))
            recipe = replace(self.terms.recipe, iterations=PACE_STEPS, minutes=None)
            out = self.rounds.checkpoint("pace", 0)
            facts = fit(part, DetectionSet(pool.classes, ()), out, recipe, lambda *_: None)
            self.rounds.drop("pace", 0)
            pace = max(float(facts["seconds"]) / PACE_STEPS, 1e-3)
            self.rounds.note("steps", max(1, round(60 * self.terms.minutes / pace)))
        return int(self.rounds.terms["steps"])


def meant(name: str, before: Round | None, classes: int) -> str:
    """The strategy behind a name: what the loop would take for `auto` after a round, the test part being its judge."""
    judged = {} if before is None else {"candidate": {"AP50": before.ap50}}
    return strategy_for(ProjectSettings.model_validate({"strategy": name}), judged, classes)[0]
