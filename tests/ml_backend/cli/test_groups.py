"""`paploop groups` on a small project."""

from tests.ml_backend.cli.conftest import Shell


def prepare(shell: Shell, project: int) -> list[int]:
    """The four images as the groups 1 2 | 3 4; returns their numbers."""
    store = shell.store()
    ids = [item.id for item in store.items.all(project)]
    groups = [ids[0], ids[0], ids[2], ids[2]]
    store.items.update([{"id": i, "group_id": g} for i, g in zip(ids, groups, strict=True)])
    store.close()
    return ids


def test_groups_are_listed_and_corrected(shell: Shell, project: int) -> None:
    ids = prepare(shell, project)
    first, second = shell.json("groups", "7")
    assert [member["offered"] for member in first["members"]] == [None, "parabasal"]
    assert [member["item"] for member in second["members"]] == ids[2:]
    assert "2 groups, 0 with different labels" in shell("groups")
    (merged,) = shell.json("groups", "7", "--merge", str(ids[1]), "--merge", str(ids[3]))
    assert merged["group"] == ids[0]
    first, second = shell.json("groups", "--split", str(ids[2]), "--split", str(ids[3]))
    assert [group["group"] for group in (first, second)] == [ids[0], ids[2]]
    assert shell.json("groups", "--conflicts") == []


def test_mistakes_are_told(shell: Shell, project: int) -> None:
    ids = prepare(shell, project)
    assert "not both" in shell.fails("groups", "--split", str(ids[1]), "--merge", str(ids[2]))[0]
    assert shell.fails("groups", "--merge", "999", "--merge", str(ids[0])) == (
        "There is no item 999 in project 7; `paploop groups` lists them.",
        2,
    )
