"""What takes too long for every run of the tests."""

from __future__ import annotations

from typing import Any

import pytest


def slow(*values: Any) -> Any:
    """Values of a parametrised test that are run only if slow tests are."""
    return pytest.param(*values, marks=pytest.mark.slow)
