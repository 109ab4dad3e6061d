"""The soak's own judge: what is lost, made up or mixed up is seen, what is as it should be is not."""

from __future__ import annotations

import pytest

from tests.soak.ledger import Kept, Ledger, broken_promises, said

ONE, OTHER = Kept(1, ("a=['x']", False)), Kept(1, ("b=['y']", False))


def ledger() -> Ledger:
    made = Ledger()
    made.submitted(7, 1, ONE.says, 0.2, calm=True)
    return made


def test_kept_is_kept() -> None:
    assert broken_promises(ledger(), {7: ONE}, {7: ONE}) == []


@pytest.mark.parametrize(
    ("there", "here", "words"),
    [
        ({7: ONE}, {}, "acknowledged and PapLoop lacks it"),
        ({7: ONE}, {7: OTHER}, "acknowledged was"),
        ({7: ONE}, {7: ONE, 8: ONE}, "8 is in PapLoop and not in Label Studio"),
        ({7: ONE, 8: ONE}, {7: ONE}, "8 is in Label Studio and PapLoop lacks it"),
        ({7: ONE, 8: ONE}, {7: ONE, 8: OTHER}, "8 says one thing in Label Studio and another in PapLoop"),
    ],
)
def test_every_other_end_is_seen(there: dict[int, Kept], here: dict[int, Kept], words: str) -> None:
    (problem,) = broken_promises(ledger(), there, here)
    assert words in problem


def test_corrections_and_deletions_count() -> None:
    changed = ledger()
    changed.changed(7, OTHER.says)
    assert broken_promises(changed, {7: OTHER}, {7: OTHER}) == []
    assert broken_promises(changed, {7: OTHER}, {7: ONE})
    changed.deleted(7)
    assert broken_promises(changed, {}, {}) == []
    assert "was deleted" in broken_promises(changed, {}, {7: OTHER})[0]


def test_without_an_answer_either_may_be_but_both_sides_must_agree() -> None:
    doubtful = ledger()
    doubtful.lost_sight_of(7)
    doubtful.no_answer("annotator-1-2")
    for end in ({}, {7: ONE}, {7: OTHER}, {7: ONE, 8: OTHER}):
        assert broken_promises(doubtful, end, end) == []
    assert broken_promises(doubtful, {7: ONE}, {}) == ["annotation 7 is in Label Studio and PapLoop lacks it"]
    assert broken_promises(doubtful, {7: ONE}, {7: OTHER})


def test_what_an_annotation_says() -> None:
    region = {"id": "m", "type": "choices", "value": {"choices": ["x"]}, "from_name": "class"}
    assert said([{**region, "origin": "manual"}], 0) == said([region], False) == ("m=['x']", False)
    assert said(None, True) == ("", True)
