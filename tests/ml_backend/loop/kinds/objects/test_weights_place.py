"""Files that a project's settings may name, and what is said of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml_backend.loop.kinds.objects.weights_place import weights_address
from ml_backend.services import Services
from ml_backend.settings import Settings
from tests.fakes.world import open_services
from training.detection.zoo import weights as zoo_weights
from training.types import TrainingError


@pytest.fixture
def services(tmp_path: Path) -> Services:
    (tmp_path / "zoo").mkdir()
    settings = Settings(data_dir=tmp_path / "state", image_roots=[tmp_path / "zoo"])
    return open_services(settings)


def test_addresses_and_files_in_the_folders_for_them_are_taken(services: Services, tmp_path: Path) -> None:
    for address in ("", "detectron2://COCO/model.pkl", "https://example.org/model.pkl"):
        assert weights_address(address, services) == address
    assert weights_address("model.pkl", services) == str(services.files.root / "weights" / "model.pkl")
    assert weights_address(str(tmp_path / "zoo" / "model.pkl"), services) == str(tmp_path / "zoo" / "model.pkl")


@pytest.mark.parametrize("address", ["/etc/hostname", "/etc/none", "../secrets.json", "../../etc/passwd"])
def test_other_files_are_refused_alike_whether_they_exist_or_not(services: Services, address: str) -> None:
    with pytest.raises(TrainingError, match="must be in"):
        weights_address(address, services)


def test_what_a_file_hashes_to_is_not_told(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b"x")
    with file.open("rb") as opened, pytest.raises(TrainingError) as caught:
        zoo_weights._check(opened, "0" * 64)
    assert "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881" not in str(caught.value)
