"""Optional peers: absent ones skip by name."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType

import pytest


def peer(name: str) -> ModuleType:
    """The module, or a skip that names it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        pytest.skip(f"{name} is not installed ({error})", allow_module_level=True)


HAS_TESTBUFFER = importlib.util.find_spec("_testbuffer") is not None
needs_testbuffer = pytest.mark.skipif(
    not HAS_TESTBUFFER, reason="_testbuffer is not installed (CPython's test modules)"
)
needs_pep688 = pytest.mark.skipif(
    sys.version_info < (3, 12), reason="__buffer__ in Python needs CPython 3.12 (PEP 688)"
)
