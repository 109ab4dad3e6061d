"""Part of the stand-in for torch; see `torch/__init__.py` beside this folder."""

from . import cpp_extension as cpp_extension
