"""Room for kernels to work in."""

from __future__ import annotations

from typing import Any

from sim.kernels.vectors import aligned


class Buffers:
    """Aligned arrays that kernels work in, kept from call to call; a copy begins with none."""

    def __init__(self) -> None:
        self._arrays: dict[Any, Any] = {}

    def of(self, name: str, shape: tuple[int, ...], dtype: Any) -> Any:
        """Return the array of this name, shape and type: zeros at first, then as it was left."""
        key = name, shape, dtype
        if key not in self._arrays:
            self._arrays[key] = aligned(shape, dtype)
        return self._arrays[key]

    def __reduce__(self) -> tuple[type[Buffers], tuple[()]]:
        return Buffers, ()
