"""A stand-in for torch that only the setup.py of pb1-detectron2 0.6 sees (through PYTHONPATH).

The source distribution on PyPI lacks the C++ sources, so its extension cannot be compiled, and it asks for torch only
to compile it. It also lists model-zoo files from `./configs`, a link that the archive lost: they are put back here.
"""

import os
import shutil

from . import utils as utils

__version__ = "2.0.0"


class version:  # noqa: N801  (the name setup.py asks for)
    """No ROCm."""

    hip = None


class cuda:  # noqa: N801  (the name setup.py asks for)
    """No CUDA."""

    @staticmethod
    def is_available() -> bool:
        """Always False: nothing is compiled."""
        return False


_ZOO = os.path.join("detectron2", "model_zoo", "configs")
if os.path.isdir(_ZOO) and not os.path.exists("configs"):
    shutil.copytree(_ZOO, "configs")
