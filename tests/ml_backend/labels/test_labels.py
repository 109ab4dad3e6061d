"""Labeling configs, choices as regions and back, and the rule that makes one label of several annotations."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_backend.errors import LabelConfigError
from ml_backend.label_studio.config import LabelingJob, parse_label_config
from ml_backend.label_studio.regions.choices import NO_RESULT, SEVERAL, UNKNOWN, choice_result, label_of
from ml_backend.labels.classes import DISAGREE, SKIPPED, consensus
from tests.fakes.label_studio import CONFIG, choice

JOB = parse_label_config(CONFIG)


def _view(inner: str) -> str:
    return f'<View><Image name="img" value="$image"/>{inner}</View>'


def test_the_recorded_config() -> None:
    expected = LabelingJob("classification", "choice", "img", "image", ("Cat", "Dog"), False)
    assert parse_label_config(CONFIG) == expected


def test_the_first_single_choice_over_an_image_wins() -> None:
    job = parse_label_config(
        """<?xml version="1.0" encoding="UTF-8"?>
        <!-- several controls -->
        <View><Text name="t" value="$text"/><Image name="other" value="$thumb"/>
          <View><Image name="img" value="$img.url"/></View>
          <Choices name="tone" toName="t"><Choice value="a"/><Choice value="b"/></Choices>
          <Choices name="flags" toName="img" choice="multiple"><Choice value="blur"/><Choice value="dark"/></Choices>
          <RectangleLabels name="box" toName="img" paploop="off"><Label value="x"/></RectangleLabels>
          <View visibleWhen="choice-selected"><Choices name="cell" toName="t,img" choice="single-radio">
            <Choice value="HSIL" alias="hsil" hotkey="1"/><Choice value="N&amp;M &lt; 3"/><Choice value="Zelle Ü"/>
          </Choices></View>
        </View>"""
    )
    assert job == LabelingJob("classification", "cell", "img", "img.url", ("hsil", "N&M < 3", "Zelle Ü"), False)


def test_several_choices_are_taken_where_nothing_else_is() -> None:
    job = parse_label_config(
        _view('<Choices name="c" toName="img" choice="multiple"><Choice value="a"/><Choice value="b"/></Choices>')
    )
    assert job.multiple


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ("", "not valid XML"),
        ("<View>", "not valid XML"),
        ("not xml", "not valid XML"),
        ("<View/>", "neither a Choices control nor one that draws"),
        (
            _view('<RectangleLabels name="b" toName="nope"><Label value="x"/></RectangleLabels>'),
            "not connected by toName",
        ),
        (
            _view('<Choices name="c" toName="nope"><Choice value="a"/><Choice value="b"/></Choices>'),
            "not connected by toName",
        ),
        (_view('<Choices toName="img"><Choice value="a"/><Choice value="b"/></Choices>'), "has no name"),
        (_view('<Choices name="c" toName="img"><Choice value="a"/></Choices>'), "fewer than two"),
        (_view('<Choices name="c" toName="img"><Choice/><Choice value=""/></Choices>'), "Choice without a name"),
        (_view('<Choices name="c" toName="img"></Choices>'), "fewer than two"),
        (_view('<Choices name="c" toName="img" value="$options"/>'), "from the task data"),
        (
            _view('<Choices name="c" toName="img" perRegion="true"><Choice value="a"/><Choice value="b"/></Choices>'),
            "single regions",
        ),
        (
            _view('<Choices name="c" toName="img"><Choice value="a"><Choice value="b"/></Choice></Choices>'),
            "nested choices",
        ),
        (
            '<View><Image name="img" value="http://x/y.png"/><Choices name="c" toName="img"><Choice value="a"/>'
            '<Choice value="b"/></Choices></View>',
            "form",
        ),
        ('<!DOCTYPE v [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><View>&b;</View>', "document type"),
        ('<!DOCTYPE v SYSTEM "file:///etc/passwd"><View/>', "document type"),
        ("<View>" + "<a>" * 2_000_000, "longer than"),
        ("\ud800<View/>", "not valid XML"),
    ],
)
def test_configs_that_cannot_be_driven_say_why(config: str, reason: str) -> None:
    with pytest.raises(LabelConfigError, match=reason):
        parse_label_config(config)


def test_deep_nesting_is_read_without_recursion() -> None:
    inner = CONFIG.removeprefix("<View>").removesuffix("</View>")
    assert parse_label_config("<View>" * 5000 + inner + "</View>" * 5000) == JOB


@given(st.text())
def test_any_text_is_a_job_or_a_sentence(text: str) -> None:
    with pytest.raises(LabelConfigError):
        parse_label_config(text)


names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
jobs = st.builds(
    LabelingJob,
    kind=st.just("classification"),
    from_name=names,
    to_name=names,
    data_key=st.just("image"),
    classes=st.lists(names, min_size=2, max_size=8, unique=True).map(tuple),
)


@pytest.mark.slow
@given(jobs, st.data(), st.none() | st.floats(0, 1), names)
def test_class_to_results_to_class_is_exact(job: LabelingJob, data: st.DataObject, score: float, region: str) -> None:
    label = data.draw(st.sampled_from(job.classes))
    results = choice_result(job, label, score, region)
    assert label_of(results, job) == label
    assert choice_result(job, str(label_of(results, job)), score, region) == results


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("choice") | st.just("Cat"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["from_name", "value", "choices", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(json_values)
def test_any_json_is_a_class_or_none(result: Any) -> None:
    assert label_of(result, JOB) in {None, "Cat", "Dog"}


@pytest.mark.parametrize(
    ("result", "label"),
    [
        (choice("Cat"), "Cat"),
        ([{"from_name": "box", "value": {"rectanglelabels": ["x"]}}, *choice("Dog")], "Dog"),
        (choice("Cat") + choice("Cat"), "Cat"),
        (choice("Cat") + choice("Dog"), None),
        (choice("Horse"), None),
        (choice("Cat", control="other"), None),
        ([{"from_name": "choice", "value": {"choices": "Cat"}}], None),
        ([], None),
        (None, None),
    ],
)
def test_odd_results(result: Any, label: str | None) -> None:
    assert label_of(result, JOB) == label


@dataclass
class _Annotation:
    id: int
    task_id: int = 1
    result: list = field(default_factory=lambda: choice("Cat"))
    completed_by: int | None = 1
    was_cancelled: bool = False
    ground_truth: bool = False
    updated_at: str = "2026-11-21T09:00:00Z"


def _decided(*annotations: _Annotation) -> str:
    found = consensus(annotations, JOB)
    return found.labels.get(1) or found.left_out[1]


def test_the_rule() -> None:
    cat, dog = choice("Cat"), choice("Dog")
    both = choice("Cat") + choice("Dog")
    a = _Annotation
    assert _decided(a(1)) == "Cat"
    assert _decided(a(1, was_cancelled=True, result=[])) == SKIPPED
    assert _decided(a(1, result=[])) == NO_RESULT
    assert _decided(a(1, result=choice("Horse")), a(2, completed_by=2, result=[])) == UNKNOWN
    assert _decided(a(1, result=both)) == SEVERAL
    assert _decided(a(1, result=dog), a(2, completed_by=2, was_cancelled=True)) == "Dog"
    assert _decided(a(1, result=dog), a(2, completed_by=2), a(3, completed_by=3)) == "Cat"
    assert _decided(a(1, result=dog), a(2, completed_by=2)) == DISAGREE
    # one vote an annotator, their latest; a microsecond decides, whichever way the time is written
    assert _decided(
        a(2, result=dog, updated_at="2026-11-21T09:00:00Z"), a(1, updated_at="2026-11-21T09:00:00.000001Z")
    ) == ("Cat")
    assert _decided(a(1, result=dog), a(2, result=cat)) == "Cat"
    assert _decided(a(1, result=dog), a(2, was_cancelled=True)) == SKIPPED
    # people who are gone count one by one
    assert _decided(a(1, completed_by=None), a(2, completed_by=None), a(3, result=dog)) == "Cat"
    # ground truth wins, if it says anything
    assert _decided(a(1, result=dog, ground_truth=True), a(2, completed_by=2), a(3, completed_by=3)) == "Dog"
    assert _decided(a(1, result=[], ground_truth=True), a(2, completed_by=2)) == "Cat"
    assert _decided(a(1, ground_truth=True), a(2, completed_by=2, ground_truth=True, result=dog)) == DISAGREE
    assert _decided(a(1, result=dog, ground_truth=True), a(2, updated_at="2026-11-22T09:00:00Z")) == "Dog"
    assert _decided(a(1, updated_at="")) == "Cat"


def test_tasks_do_not_mix_and_nothing_gives_nothing() -> None:
    found = consensus([_Annotation(1), _Annotation(2, task_id=2, result=choice("Dog"))], JOB)
    assert found.labels == {1: "Cat", 2: "Dog"}
    assert found.left_out == {}
    assert consensus([], JOB).labels == {}


annotations = st.builds(
    _Annotation,
    id=st.integers(1, 10**6),
    task_id=st.integers(1, 3),
    result=st.sampled_from([choice("Cat"), choice("Dog"), choice("Horse"), []]),
    completed_by=st.none() | st.integers(1, 3),
    was_cancelled=st.booleans(),
    ground_truth=st.booleans(),
    updated_at=st.sampled_from(["", "2026-11-21T09:00:00Z", "2026-11-21T09:00:00.5Z", "2026-11-22T09:00:00+02:00"]),
)


@given(st.lists(annotations, unique_by=lambda entry: entry.id), st.integers())
def test_each_task_is_decided_once_whatever_the_order(entries: list[_Annotation], seed: int) -> None:
    found = consensus(entries, JOB)
    assert set(found.labels) | set(found.left_out) == {entry.task_id for entry in entries}
    assert not set(found.labels) & set(found.left_out)
    assert set(found.labels.values()) <= set(JOB.classes)
    shuffled = random.Random(seed).sample(entries, len(entries))
    assert consensus(shuffled, JOB) == found
