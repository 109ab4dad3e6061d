import pytest

from ml_backend.errors import BadRequest
from ml_backend.state.project_settings import ProjectSettings


def test_defaults_are_valid_and_survive_storage() -> None:
    settings = ProjectSettings.parse({})
    assert ProjectSettings.stored(settings.model_dump()) == settings


def test_changed_validates_and_leaves_the_original() -> None:
    settings = ProjectSettings.parse({})
    assert settings.changed(window=50, strategy="margin").window == 50
    assert settings.window == 1000


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"strateegy": "margin"}, "there is no project setting 'strateegy'; the settings are strategy, "),
        ({"window": 0}, "'window' cannot be 0: input should be greater than or equal to 1"),
        ({"validation_fraction": 1.0}, "'validation_fraction' cannot be 1.0"),
        ({"duplicate_radius": float("nan")}, "'duplicate_radius' cannot be nan"),
        ({"method": "magic"}, "'method' cannot be 'magic': input should be 'auto', 'head' or 'finetune'"),
        (
            {"group_pattern": "("},
            r"'group_pattern' cannot be '\(': the group pattern .* is not a valid regular expression",
        ),
        ({"seed": -1, "window": "x"}, "'window' .*; 'seed'"),
    ],
)
def test_bad_values_are_named_with_what_is_possible(values: dict[str, object], message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        ProjectSettings.parse({}).changed(**values)


def test_names_of_another_version_are_left_out_when_loading() -> None:
    assert ProjectSettings.stored({"window": 7, "removed_long_ago": 1}).window == 7
