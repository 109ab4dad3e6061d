"""Groups of a project's images for a leak-proof replay."""

from ml_backend.experiments.replay.project import joined


def test_a_shared_source_or_a_shared_copy_joins() -> None:
    groups = joined(["a", "a", "b", "c", "d"], [1, 2, 2, 3, 4]).tolist()
    assert groups[0] == groups[1] == groups[2]
    assert len({groups[0], groups[3], groups[4]}) == 3
