"""Cells as a label picture has them: read with the scenario, kept in it, laid on the lattice."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim import data
from sim.assays import assay
from sim.assays.declare import called
from sim.assays.rules import reads
from sim.errors import InputError, Problem, shown
from sim.labels import MOST_PIXELS, read_labels
from sim.scenario.tree import Tree, dig

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sim.scenario.schema import LatticeScenario

SEEDING = "image"
ENDOTHELIAL = "endothelial"
LEAST_SITES = 10
"""Sites of the smallest cell; less is debris, and would vanish."""
_CHUNK = 8_000  # characters of a text
_LISTED = 20


def read_image(path: Path, name: str) -> Tree:
    """Return a label picture as a table of a scenario.

    Raises
    ------
    FileError
        If it is no such picture.
    """
    import numpy as np

    found = read_labels(path)
    cells = [int(cell) for cell in np.unique(found.cell_id) if cell]
    height, width = found.cell_id.shape
    raw = found.cell_id.astype("<i4").tobytes()
    text = base64.b64encode(zlib.compress(raw)).decode("ascii")
    return {
        "name": name,
        "size_px": [width, height],
        "whole": found.whole,
        "cells": len(cells),
        "types": [found.types[cell] for cell in cells] if found.types else [],
        "sha256": hashlib.sha256(raw).hexdigest(),
        "labels": [text[at : at + _CHUNK] for at in range(0, len(text), _CHUNK)],
    }


def settle(tree: Tree, user: Tree, *, lost: bool) -> Iterator[Problem]:
    """Let ``[cells]`` follow its picture, in place; yield what contradicts it."""
    cells, resolved = tree.get("cells"), tree.get("resolved")
    if not isinstance(cells, dict):
        return
    found = resolved.get("image") if isinstance(resolved, dict) else None
    if cells.get("seeding") != SEEDING:
        if isinstance(resolved, dict):
            resolved.pop("image", None)
        for key in ("image", "um_per_px"):
            if cells.pop(key, None) is not None:
                what = f"must not be given while cells.seeding = {shown(cells.get('seeding'))}"
                yield Problem(f"cells.{key}", dig(user, ("cells", key)), what)
        return
    if not isinstance(cells.get("image"), str):
        cells["count"] = cells.get("count") or 0
        cells.pop("density_per_mm2", None)
        yield Problem("cells.image", cells.get("image"),
                      "must be the file of a label picture: seeding = 'image'")  # fmt: skip
        return
    if lost or not isinstance(found, dict) or type(found.get("cells")) is not int:
        return  # reported elsewhere
    if (density := dig(user, ("cells", "density_per_mm2"))) is not None:
        what = "must not be given with seeding = 'image': the picture has the cells"
        yield Problem("cells.density_per_mm2", density, what)
    cells.pop("density_per_mm2", None)
    types = found.get("types")
    own = found["cells"]
    if isinstance(types, list) and types:
        own = types.count(ENDOTHELIAL)
    given = dig(user, ("cells", "count"))
    if given is not None and given != own:
        what = f"must be {own}, as in the picture, or be left out"
        yield Problem("cells.count", given, what)
    cells["count"] = own
    if cells.get("um_per_px") is None:
        cells["um_per_px"] = dig(tree, ("domain", "spacing_um"))


@lru_cache(maxsize=4)
def _decoded(labels: tuple[str, ...], size_px: tuple[int, int], sha256: str) -> NDArray[np.int32]:
    import numpy as np

    width, height = size_px
    if not 0 < width * height <= MOST_PIXELS:
        raise InputError("resolved.image: has too many pixels")
    try:
        packed = base64.b64decode("".join(labels), validate=True)
        reader = zlib.decompressobj()
        raw = reader.decompress(packed, 4 * width * height + 1)
    except (ValueError, zlib.error) as error:
        raise InputError("resolved.image.labels: cannot be read") from error
    if len(raw) != 4 * width * height or hashlib.sha256(raw).hexdigest() != sha256:
        raise InputError("resolved.image: labels and sha256 do not agree; name the file again")
    found = np.frombuffer(raw, "<i4").reshape(height, width)
    return found


def pixels_of(scenario: LatticeScenario) -> NDArray[np.int32]:
    """Return the labels as the picture has them, [y, x].

    Raises
    ------
    InputError
        If what is written in the scenario is damaged.
    """
    image = scenario.resolved.image
    assert image is not None
    return _decoded(tuple(image.labels), image.size_px, image.sha256)


def sites_of(scenario: LatticeScenario) -> tuple[NDArray[np.int32], int]:
    """Return the labels on the lattice, and how many sites of further parts were left out.

    Each site takes the label of the pixel that its middle is in. Of a cell in several parts
    (which do not touch at a side or corner) the largest stays.
    """
    image, site_um = scenario.resolved.image, scenario.domain.spacing_um
    assert image is not None
    per_site = site_um / (scenario.cells.um_per_px or site_um)
    periodic = scenario.domain.boundary == "periodic"
    return _laid(
        tuple(image.labels), image.size_px, image.sha256, scenario.shape, per_site, periodic
    )


def _ids(pixels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the labels of the cells, rising."""
    import numpy as np

    ids = np.unique(pixels)
    return ids[ids > 0]


@lru_cache(maxsize=2)
def _laid(
    labels: tuple[str, ...],
    size_px: tuple[int, int],
    sha256: str,
    shape: tuple[int, int],
    per_site: float,
    periodic: bool,
) -> tuple[NDArray[np.int32], int]:
    import numpy as np

    pixels = _decoded(labels, size_px, sha256)
    rows, columns = (np.floor((np.arange(n) + 0.5) * per_site).astype(np.int64) for n in shape)
    part = pixels[np.ix_(rows[rows < pixels.shape[0]], columns[columns < pixels.shape[1]])]
    sites = np.zeros(shape, np.int32)
    sites[: part.shape[0], : part.shape[1]] = np.searchsorted(_ids(pixels), part, side="right")
    found, lost = largest_parts(sites, periodic=periodic)
    found.setflags(write=False)
    return found, lost


def cells_of(scenario: LatticeScenario) -> tuple[NDArray[np.int32], list[int]]:
    """Return the lattice with the cells on it, and their types: 1 endothelial, then the others."""
    image = scenario.resolved.image
    assert image is not None
    names = [ENDOTHELIAL, *scenario.types]
    types = [names.index(name) + 1 for name in image.types] or [1] * image.cells
    return sites_of(scenario)[0].copy(), types


def largest_parts(sites: NDArray[np.int32], *, periodic: bool) -> tuple[NDArray[np.int32], int]:
    """Return the lattice with the largest part of each cell, and how many sites that leaves out.

    Sites of one label beside each other along x are a run; runs that touch are linked.
    """
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    new = np.ones(sites.shape, bool)
    new[:, 1:] = sites[:, 1:] != sites[:, :-1]
    run = (np.cumsum(new, dtype=np.int32) - 1).reshape(sites.shape)
    label, length = sites[new], np.bincount(run.ravel())
    around = np.pad(run, ((0, 1), (1, 1)), mode="wrap") if periodic else run
    links = []
    for one, other in (
        (around[:, :-1], around[:, 1:]),
        (around[:-1], around[1:]),
        (around[:-1, :-1], around[1:, 1:]),
        (around[:-1, 1:], around[1:, :-1]),
    ):
        same = (one != other) & (label[one] == label[other]) & (label[one] > 0)
        pairs = np.stack([one[same], other[same]])
        first = np.ones(pairs.shape[1], bool)  # of the many sites at which two runs touch
        first[1:] = (pairs[:, 1:] != pairs[:, :-1]).any(axis=0)
        links.append(pairs[:, first])
    rows, columns = np.concatenate(links, axis=1)
    graph = coo_array((np.ones(len(rows), bool), (rows, columns)), shape=(len(label),) * 2)
    part = connected_components(graph, directed=False)[1]
    size = np.bincount(part, length)
    ids, at = np.unique(part, return_index=True)
    order = np.lexsort((at, -size[ids], label[at]))  # the first of equally large ones
    largest = order[np.unique(label[at][order], return_index=True)[1]]
    stays = np.isin(part, ids[largest])
    found = np.where(stays[run], sites, 0).astype(np.int32)
    return found, int(np.count_nonzero(sites) - np.count_nonzero(found))


# -- checks -------------------------------------------------------------------------------------


@reads("cells", "domain", "types", "resolved.image")
def _fits(scenario: LatticeScenario) -> Iterator[Problem]:
    """The picture is as large as the domain, and its cells are cells of this scenario."""
    cells, image = scenario.cells, scenario.resolved.image
    if cells.seeding != SEEDING or image is None or not cells.um_per_px:
        return
    import numpy as np  # here, so that a scenario without a picture needs no NumPy

    try:
        pixels_of(scenario)
    except InputError as error:
        yield Problem("cells.image", cells.image, str(error))
        return
    size, (x, y) = [side * cells.um_per_px for side in image.size_px], scenario.domain.size_um
    slack = 0.5 * scenario.domain.spacing_um
    px = f"is {image.size_px[0]} x {image.size_px[1]} px of {cells.um_per_px:g} um, "
    um = f"{size[0]:g} x {size[1]:g} um"
    apart = [side - own for side, own in zip(size, (x, y), strict=True)]
    if image.whole and max(map(abs, apart)) > slack:
        yield Problem(
            "cells.image", cells.image, f"{px}{um}; the domain is {x:g} x {y:g} um",
            f"set domain.size_um = [{size[0]:g}, {size[1]:g}], or cells.um_per_px",
        )  # fmt: skip
        return
    if not image.whole and max(apart) > slack:
        yield Problem(
            "cells.image", cells.image, f"has cells up to {um}, outside the domain of {x:g} x "
            f"{y:g} um", "set a larger domain.size_um, or cells.um_per_px",
        )  # fmt: skip
        return
    known = [ENDOTHELIAL, *scenario.types]
    for name in sorted({*image.types} - {*known}):
        yield Problem(
            "cells.image", cells.image, f"has cells of type {name!r}; {data.one_of(known)}"
        )
    for name, kind in scenario.types.items():
        if (count := image.types.count(name)) != kind.count:
            hint = "" if image.types else "only a PIFF says of what type cells are"
            yield Problem(f"types.{name}.count", kind.count,
                          f"must be {count}, as in the picture", hint)  # fmt: skip
    laid, lost = sites_of(scenario)
    if lost > (laid > 0).sum():
        what = "is no label picture: most of its labels lie in scattered parts"
        hint = "a mask or a micrograph must be segmented first, one number for each cell"
        yield Problem("cells.image", cells.image, what, hint)
        return
    areas = np.bincount(laid.ravel(), minlength=image.cells + 1)[1:]
    small = np.flatnonzero(areas < LEAST_SITES)
    if small.size:
        ids = _ids(pixels_of(scenario))
        listed = ", ".join(f"{ids[cell]} ({areas[cell]})" for cell in small[:_LISTED])
        more = f" and {small.size - _LISTED} more" if small.size > _LISTED else ""
        yield Problem(
            "cells.image", cells.image,
            f"has cells of fewer than {LEAST_SITES} sites, by label (sites): {listed}{more}",
            "remove them from the picture, or choose a finer domain.spacing_um",
        )  # fmt: skip
        return
    if check := assay(scenario.assay).from_picture:
        yield from called(check)(laid, scenario)


@reads("cells", "domain", "resolved.image")
def in_parts(scenario: Any) -> Iterator[Problem]:
    """Of a cell in several parts only the largest is laid."""
    if scenario.cells.seeding != SEEDING or scenario.resolved.image is None:
        return
    lost = sites_of(scenario)[1]
    if lost:
        what = f"has cells in several parts; of each the largest is taken, without {lost} sites"
        yield Problem("cells.image", scenario.cells.image, what)


CHECKS = (_fits,)
