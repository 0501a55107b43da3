"""The end of a run, drawn as its class of model is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from sim.assays import assay
from sim.view.run.frame import Snapshot

if TYPE_CHECKING:
    from sim.model.base import AssayModel


def draw_end(
    result: Snapshot, *, ax: Axes | None = None, fig: Figure | SubFigure | None = None
) -> Figure:
    """Draw the cells, or the vessels, and what their assay draws over them.

    Parameters
    ----------
    result : Result
        A finished run.
    ax, fig
        As for `sim.view.draw.draw`.
    """
    if assay(result.scenario.assay).model == "bed":
        from sim.view.run.vessels import draw_vessels

        return draw_vessels(result, ax=ax, fig=fig)
    from sim.view.run.network import draw_network

    return draw_network(result, ax=ax, fig=fig)


def draw_model(
    model: AssayModel, *, ax: Axes | None = None, fig: Figure | SubFigure | None = None
) -> Figure:
    """Draw a model at work, as a run that ends now."""
    from sim.runs.run import result_of

    return draw_end(result_of(model), ax=ax, fig=fig)
