"""Calls to rooms above one's own, such as drawing a result: found by name when first used.

`sim` says where each is found, so that it works for whatever is imported from the package.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

__all__ = ["PLACES", "Axes", "Figure", "SubFigure", "call", "draw", "found"]

PLACES: dict[str, str] = {}
"""``module:function`` by what it is called here."""


def call(name: str, *args: Any, **options: Any) -> Any:
    """Call a function of a room above."""
    return found(name)(*args, **options)


def found(name: str) -> Callable[..., Any]:
    """Return a function of a room above."""
    module, _, function = PLACES[name].partition(":")
    place: Callable[..., Any] = getattr(import_module(module), function)
    return place


def draw(thing: Any, *, ax: Axes | None = None, fig: Figure | SubFigure | None = None) -> Figure:
    """Draw a result; see `sim.view.draw`."""
    figure: Figure = call("draw", thing, ax=ax, fig=fig)
    return figure
