"""Verified pairs -> groups in which every member was verified against the representative: stars, never chains."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from strategies.near_duplicates.verification.fit import compose, invert
from strategies.near_duplicates.verification.pairs import Match
from strategies.near_duplicates.verification.picture import Matrix

Pair = tuple[int, int]
Confirm = Callable[[int, int, Matrix], Match | None]
"""Verifies first onto second with a suspected map; the match, or None."""

MOST_STEPS = 4
"""How many verified pairs away from the representative an image is still tried against it."""


@dataclass(frozen=True)
class Cluster:
    """One group.

    Attributes:
        representative: number of the image that all members were verified against.
        members: number of a member -> its match, which maps the member onto the representative.
    """

    representative: int
    members: Mapping[int, Match]


def cluster(matches: Mapping[Pair, Match], confirm: Confirm, leaders: Collection[int] = ()) -> list[Cluster]:
    """Group images so that the groups cover the verified pairs without joining unverified ones.

    The image with most verified partners becomes a representative. Images that are linked to it through others only are
    verified against it directly, starting from the map through the others; those that fail are left for later groups.

    Args:
        matches: `(i, j)` with i < j -> match that maps i onto j.
        confirm: verifies one more pair.
        leaders: images that never become members: each has a group of its own or none.

    Returns:
        Groups of two or more, by representative.
    """
    links: dict[int, dict[int, Matrix]] = {}
    known: dict[Pair, Match] = {}
    apart = frozenset(leaders)
    for (first, second), match in sorted(matches.items()):
        if not {first, second} <= apart:
            _link(links, known, first, second, match)
    groups = [group for together in _connected(links) for group in _split(together, apart, links, known, confirm)]
    return sorted(groups, key=lambda group: group.representative)


def _connected(links: Mapping[int, Mapping[int, Matrix]]) -> list[set[int]]:
    """Images that are linked somehow, together."""
    unseen, found = set(links), []
    while unseen:
        together, queue = set(), [min(unseen)]
        while queue:
            image = queue.pop()
            if image not in together:
                together.add(image)
                queue += links[image]
        found.append(together)
        unseen -= together
    return found


def _split(
    left: set[int],
    apart: frozenset[int],
    links: dict[int, dict[int, Matrix]],
    known: dict[Pair, Match],
    confirm: Confirm,
) -> list[Cluster]:
    """Stars of one connected part: the best linked image first, leaders before all."""
    groups = []
    while left:
        degrees = {image: sum(other in left for other in links[image]) for image in left}
        hub = min(left, key=lambda image: (not (image in apart and degrees[image]), -degrees[image], image))
        if not degrees[hub]:
            break
        members = _star(hub, left - apart, links, known, confirm)
        groups.append(Cluster(hub, dict(sorted(members.items()))))
        left -= {hub, *members}
    return groups


def _link(links: dict[int, dict[int, Matrix]], known: dict[Pair, Match], first: int, second: int, match: Match) -> None:
    back = Match(invert(match.matrix), match.inliers, match.agreement.swapped())
    known[first, second], known[second, first] = match, back
    links.setdefault(first, {})[second] = match.matrix
    links.setdefault(second, {})[first] = back.matrix


def _star(
    hub: int,
    left: set[int],
    links: dict[int, dict[int, Matrix]],
    known: dict[Pair, Match],
    confirm: Confirm,
) -> dict[int, Match]:
    """Members of the group around `hub`, nearest first, each with its match onto the hub."""
    members: dict[int, Match] = {}
    tried = {hub}
    queue: deque[tuple[int, int]] = deque([(hub, 0)])
    while queue:
        via, steps = queue.popleft()
        for image in sorted(set(links[via]) & left - tried):
            tried.add(image)
            match = known.get((image, hub))
            if match is None and steps < MOST_STEPS:
                match = confirm(image, hub, compose(links[image][via], members[via].matrix))
                if match is not None:
                    _link(links, known, image, hub, match)
            if match is not None:
                members[image] = match
                queue.append((image, steps + 1))
    return members
