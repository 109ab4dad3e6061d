import re

import pytest

from training.data.name_groups import propose_groups
from training.data.split import source_group

NAMES = {
    "patients": [f"{c}/patient{p:02d}_cell{c}{n}.png" for c in "ab" for p in range(8) for n in range(3)],
    "herlev": [f"{1000 + a}-{2000 + 7 * a}-{n:03d}.png" for a in range(12) for n in range(1, 4)],
    "slides within classes": [f"HSIL/HSIL_{s}__{n}.jpg" for s in range(6) for n in range(5)]
    + [f"NILM/NILM_{s}__{n}.jpg" for s in range(6) for n in range(5)],
}
COUNTS = {"patients": 8, "herlev": 12, "slides within classes": 12}


@pytest.mark.parametrize("kind", sorted(NAMES))
def test_prefixes_that_names_share_are_proposed(kind: str) -> None:
    names = NAMES[kind]
    proposal = propose_groups(names)
    assert proposal is not None
    assert re.compile(proposal.pattern)
    assert len({source_group(name, proposal.pattern) for name in names}) == COUNTS[kind] == proposal.groups
    sentence = proposal.advice("cells", 7)
    assert f"{COUNTS[kind]} groups of {len(names)} images" in sentence
    assert proposal.examples[0][0] in sentence
    assert "paploop ingest cells --project 7 --group-pattern auto" in sentence


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["a.png"],
        [f"img_{n:04d}.png" for n in range(50)],
        [f"scan-{n}.png" for n in range(50)],
        [f"{n:05d}.png" for n in range(50)],
        [f"{'abcde'[n % 5]}/{'abcde'[n % 5]}_{n}.png" for n in range(50)],
        [f"{n}_x.png" for n in range(50)],
        ["left_1.png", "left_2.png", "right_1.png", "right_2.png"],
    ],
)
def test_names_that_only_count_or_name_classes_are_left_alone(names: list[str]) -> None:
    assert propose_groups(names) is None
