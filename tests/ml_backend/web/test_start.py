"""What the start of a web process brings into memory."""

from __future__ import annotations

import subprocess
import sys


def test_the_application_is_there_without_models_masks_images_and_clients() -> None:
    heavy = ("torch", "faiss", "sklearn", "timm", "pycocotools", "PIL", "httpx", "label_studio_sdk", "cv2")
    program = f"import sys, ml_backend.web.app; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
