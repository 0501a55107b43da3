"""Which dose reaches a target: in how many of the subjects, at what exposure.

The package is named as its function, `sim.design(...)`, so it can be called itself.
"""

from __future__ import annotations

import sys
from inspect import Signature, signature
from types import ModuleType
from typing import Any

from sim import hooks


class _Callable(ModuleType):
    def __call__(self, *args: Any, **options: Any) -> Any:
        """Find the least dose of each schedule; see `sim.api.design`."""
        return hooks.call("design", *args, **options)

    @property
    def __signature__(self) -> Signature:
        return signature(hooks.found("design"))


sys.modules[__name__].__class__ = _Callable
