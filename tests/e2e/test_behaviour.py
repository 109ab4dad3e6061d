"""The fake Label Studio of the other tests claims what the real one does; here the real one is asked."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import RealStack
from tests.fakes.label_studio_behaviour import RECORDED, observe

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(2400)]


def test_label_studio_still_does_what_was_recorded(real_stack: RealStack) -> None:
    assert observe(real_stack.label_studio) == RECORDED
