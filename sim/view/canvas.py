"""Pictures as files: each is drawn and written on its own, and one that fails spares the others."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import cast

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.errors import AngiosimError, InputError, PictureWarning
from sim.files import write_bytes_atomic
from sim.version import __version__
from sim.view import style

log = logging.getLogger(__name__)


def save_picture(
    drawn: Axes | Figure, path: str | Path, title: str = "", **chunks: str | None
) -> None:
    """Write a figure as a PNG, whole or not at all; the same figure, the same bytes.

    Parameters
    ----------
    drawn : matplotlib.axes.Axes or Figure
        The figure, or axes in it.
    path : str or Path
        Where to, ending in ``.png``; its folder exists.
    title : str
        For the text chunk of that name.
    **chunks : str, optional
        Other text chunks of the PNG.

    Raises
    ------
    InputError
        If the name of the file has another ending.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise InputError(f"{path}: pictures are PNG files; choose a name that ends in .png")
    figure = drawn if isinstance(drawn, Figure) else cast(Figure, drawn.figure)
    metadata = {"Title": title, "Software": f"angiosim {__version__}", **chunks}
    buffer = io.BytesIO()
    with style.house_style():
        figure.savefig(buffer, format="png", dpi=150, metadata=metadata)
    write_bytes_atomic(path, buffer.getvalue())


def try_picture(
    path: Path, draw: Callable[[], Axes | Figure], title: str = "", **chunks: str | None
) -> bool:
    """Draw and save a picture; return whether that worked, and warn in a line if not.

    A picture shows results that are on the disk already: whatever is wrong with it, they stand. The
    log has the traceback of what should never happen. No older picture is left in its place.
    """
    try:
        with style.house_style():
            save_picture(draw(), path, title, **chunks)
    except Exception as error:
        expected = isinstance(error, (AngiosimError, OSError))
        reason = str(error) if expected else f"{type(error).__name__}: {error}"
        message = f"{path} could not be drawn: {style.one_line(reason, 200)}"
        warnings.warn(message, PictureWarning, stacklevel=2)
        log.error(message, exc_info=None if expected else error)
        path.unlink(missing_ok=True)
        return False
    return True
