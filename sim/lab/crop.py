"""The part of a picture that is measured: a rectangle, or the circle of a well."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sim.errors import InputError, shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    BoolArray = NDArray[np.bool_]

LEAST_PX: Final = 8  # across a part that can be measured
ALLOWED: Final = (
    'must be a rectangle "x,y,width,height" or a circle "circle:x,y,radius" (x and y of its '
    "middle), in pixels of the picture from its upper left corner"
)


@dataclass(frozen=True)
class Crop:
    """A part of a picture, in its pixels.

    Attributes
    ----------
    left, top, width, height : float
        Of the rectangle, or of that around the circle.
    is_circle : bool
    """

    left: float
    top: float
    width: float
    height: float
    is_circle: bool = False

    @classmethod
    def of(cls, crop: str | Sequence[float] | Crop | None) -> Crop | None:
        """Return what a user gives: a text as `ALLOWED` says, or four or three numbers.

        Raises
        ------
        InputError
            If it is none.
        """
        if crop is None or isinstance(crop, Crop):
            return crop
        wrong = InputError(f"crop = {shown(crop)}: {ALLOWED}")
        is_circle = isinstance(crop, str) and crop.strip().startswith("circle:")
        parts = crop.strip().removeprefix("circle:").split(",") if isinstance(crop, str) else crop
        try:
            numbers = [float(part) for part in parts]
        except (TypeError, ValueError):
            raise wrong from None
        if not all(map(math.isfinite, numbers)) or (len(numbers) == 3) < is_circle:
            raise wrong
        if len(numbers) == 3 and (is_circle or not isinstance(crop, str)):
            x, y, radius = numbers
            found = cls(x - radius, y - radius, 2 * radius, 2 * radius, is_circle=True)
        elif len(numbers) == 4:
            left, top, width, height = numbers
            found = cls(left, top, width, height)
        else:
            raise wrong
        if found.width <= 0 or found.height <= 0:
            raise wrong
        return found

    def __str__(self) -> str:
        radius = self.width / 2
        numbers = (
            (self.left + radius, self.top + radius, radius)
            if self.is_circle
            else (self.left, self.top, self.width, self.height)
        )
        return ("circle:" if self.is_circle else "") + ",".join(f"{each:g}" for each in numbers)

    def box(self, shape: tuple[int, ...]) -> tuple[slice, slice]:
        """Return rows and columns of the pixels of a picture that lie in it, even in part.

        Raises
        ------
        InputError
            If hardly any do.
        """
        rows, columns = (
            slice(max(0, math.floor(start)), min(size, math.ceil(start + length)))
            for start, length, size in (
                (self.top, self.height, shape[0]), (self.left, self.width, shape[1])
            )
        )  # fmt: skip
        if rows.stop - rows.start < LEAST_PX or columns.stop - columns.start < LEAST_PX:
            raise InputError(
                f"crop = {self}: must lie in the picture, which has {shape[1]} x {shape[0]} pixels"
            )
        return rows, columns

    def reaches_beyond(self, shape: tuple[int, ...]) -> bool:
        """Whether a part of it is outside of a picture, by more than a pixel."""
        far = (self.left + self.width - shape[1], self.top + self.height - shape[0])
        return max(-self.left, -self.top, *far) > 1

    def holds(self, y: NDArray[Any], x: NDArray[Any]) -> BoolArray:
        """Which points of rows `y` and columns `x` of a picture lie in it (y, x)."""
        radius = self.width / 2
        squares = (y[:, None] - self.top - radius) ** 2 + (x - self.left - radius) ** 2
        inside: BoolArray = squares <= radius**2
        return inside

    def mirrored(self, values: NDArray[Any], top: int, left: int) -> NDArray[Any]:
        """Return pixels of a box with those outside of the circle as mirror images of inner ones.

        What is beyond, such as the wall of a well, then lends nothing to the pixels inside.
        """
        import numpy as np

        radius = self.width / 2
        y = np.arange(values.shape[0])[:, None] + 0.5 + top - self.top - radius
        x = np.arange(values.shape[1]) + 0.5 + left - self.left - radius
        outside = np.nonzero(y**2 + x**2 > radius**2)
        y, x = y[outside[0], 0], x[outside[1]]
        away = np.hypot(y, x)
        scale = np.maximum(2 * radius - away, 0) / away - 1
        to_y = np.rint(outside[0] + y * scale).astype(int).clip(0, values.shape[0] - 1)
        to_x = np.rint(outside[1] + x * scale).astype(int).clip(0, values.shape[1] - 1)
        filled = values.copy()
        filled[outside] = values[to_y, to_x]
        return filled
