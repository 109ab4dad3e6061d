"""Say in one word how a member relates to its representative."""

from __future__ import annotations

import numpy as np

from strategies.near_duplicates.verification.agreement import covers
from strategies.near_duplicates.verification.fit import compose, invert
from strategies.near_duplicates.verification.pairs import Match
from strategies.near_duplicates.verification.picture import Matrix, Picture

EXACT_BYTES = "exact-bytes"
EXACT_PIXELS = "exact-pixels"
MIRRORED = "mirrored"
TURNED = "turned"
CROP = "crop"
OVERLAP = "overlap"
STRETCHED = "stretched"
RETAKEN = "retaken"
STAIN_SHIFT = "stain-shift"
RESIZED = "resized"
RE_ENCODED = "re-encoded"

RELATIONS = (
    EXACT_BYTES,
    EXACT_PIXELS,
    MIRRORED,
    TURNED,
    CROP,
    OVERLAP,
    STRETCHED,
    RETAKEN,
    STAIN_SHIFT,
    RESIZED,
    RE_ENCODED,
)
"""All words, the first that applies is given: a mirrored crop is "mirrored", a resized crop is "crop".
"retaken" is the same field photographed again, for example in another focus."""

SMALL_ANGLE = 4.0
WHOLE = 0.93
SAME_SHAPE = 1.06
SAME_SIZE = 1.02
COLOUR_STEP = 6.0
SAME_TAKE = 0.9


def relation(member: Picture, representative: Picture, match: Match) -> str:
    """The relation of two pictures that were verified to show the same.

    Args:
        member: one picture.
        representative: the other.
        match: maps the member onto the representative.
    """
    matrix = match.matrix
    original = compose(compose(member.to_working, matrix), invert(representative.to_working))
    linear = original[:, :2]
    if np.linalg.det(linear) < 0:
        return MIRRORED
    if abs(turn_degrees(linear)) > SMALL_ANGLE:
        return TURNED
    inside, seen = covers(member.grey.shape, representative.grey.shape, matrix)
    if min(inside, seen) < WHOLE:
        return CROP if max(inside, seen) >= WHOLE else OVERLAP
    large, small = np.linalg.svd(linear, compute_uv=False)
    if large > SAME_SHAPE * small:
        return STRETCHED
    if match.similarity < SAME_TAKE:
        return RETAKEN
    if np.abs(member.colour - representative.colour).max() > COLOUR_STEP:
        return STAIN_SHIFT
    sizes = np.array(member.size) / np.array(representative.size)
    if sizes.max() > SAME_SIZE or sizes.min() < 1 / SAME_SIZE:
        return RESIZED
    return RE_ENCODED


def turn_degrees(linear: Matrix) -> float:
    """The turn in a `(2, 2)` map without mirroring, degrees in (-180, 180], by its polar decomposition."""
    left, _, right = np.linalg.svd(linear)
    pure = left @ right
    return float(np.degrees(np.arctan2(pure[1, 0], pure[0, 0])))
