"""The package `sim` by the name of its distribution, also for ``python -m angiosim``."""

from __future__ import annotations

from typing import Any

import sim

__all__ = sim.__all__  # handed on when first used, as `sim` does


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'angiosim' has no attribute {name!r}")
    return getattr(sim, name)


def __dir__() -> list[str]:
    return dir(sim)


if __name__ == "__main__":
    from sim.cli.main import main

    main()
