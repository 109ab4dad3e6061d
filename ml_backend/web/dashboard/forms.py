"""The settings form: text fields -> values of the types that `ProjectSettings` has."""

from __future__ import annotations

from collections.abc import Mapping

from ml_backend.errors import BadRequest

NUMBERS: Mapping[str, type[int] | type[float]] = {"window": int, "retrain_labels": int, "retrain_minutes": float}
TEXTS = ("strategy", "method")


def settings_of_form(form: Mapping[str, str]) -> dict[str, object]:
    """What the form changes; an unchecked box is a field that browsers leave out.

    Raises:
        BadRequest: a number is none.
    """
    values: dict[str, object] = {name: form[name] for name in TEXTS if name in form}
    for name, kind in NUMBERS.items():
        if name in form:
            try:
                values[name] = kind(form[name].strip())
            except ValueError as error:
                raise BadRequest(
                    f"'{name}' cannot be {form[name][:40]!r}; give a number.",
                    code="settings.not_a_number",
                    setting=name,
                ) from error
    values["auto_train"] = "auto_train" in form
    return values
