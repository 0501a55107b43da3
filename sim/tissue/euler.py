"""The explicit solver: forward Euler in stated sub-steps, of which each diffuses, then reacts.

    c' = kept (c + k (sum of the four neighbours - 4 c)) + gained

All sub-steps go over a field's rows as one wave, in place: row y of one sub-step directly follows
row y + 1 of the one before, so that only the rows at work are kept, which fit the cache. For
several threads a field is cut into bands of rows, and where it is wide into strips. Each is
computed with a margin of one voxel per sub-step, so that they need nothing of each other, and no
bit depends on how a field is cut.

In single precision only the change since the first sub-step is. It obeys the same equation, with
the first sub-step's own change, found in double precision, for what is gained; and it is small
where a field is near its steady state. So rounding errors are, and do not add up.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.kernels.barrier import wait
from sim.kernels.buffers import Buffers
from sim.kernels.compiling import inlined, lean
from sim.kernels.threads import together
from sim.tissue.fields import ABSORBING, NO_FLUX, PERIODIC
from sim.tissue.lattice import MEDIUM
from sim.tissue.voxels import mean_over_voxel

Doubles = NDArray[np.float64]

LEFT = 16  # where a row begins in its buffer: its left ghost voxel precedes a whole vector
ZEROS = 3  # the row of a buffer that nothing is written to
MOST_PARTS = 16  # sub-steps in one wave
# of the rows at work; a strip has up to twice as much, which fits the second-level cache
STRIP_BYTES = 2**19


class Wave(NamedTuple):
    """A band of rows of an explicit field, and room to work in; see `waves_of`.

    What is None is not compiled.
    """

    values: Doubles
    """(rows, columns) of the whole field; changed in the band"""
    top: int
    bottom: int
    strips: int
    substeps: int
    edge: int
    factor: int
    """sites along a voxel's side"""
    least: float
    """what is below is an error of single precision"""
    exact: Doubles
    """(6,) k, 1 - 4 k, kept outside and inside cells, gained outside and inside"""
    rates: NDArray[Any]
    """the same in the precision of all but the first sub-step"""
    kept_of: Doubles | None
    """(rows of cells,) where cells differ or voxels are coarse; and what each gains"""
    gained_of: Doubles | None
    held: Doubles | None
    """(rows, columns) what each voxel gains beside that"""
    first: Doubles
    """(4, room) the three latest rows before the first sub-step, and a row of zeros"""
    rows: NDArray[Any]
    """(parts, 4, room) the same after each sub-step"""
    inside: NDArray[np.bool_] | None
    """(parts, room) whether voxels of the rows at work are inside cells"""
    kept: Doubles | None
    """(parts, room) or else what they keep; and what they gain"""
    gained: Doubles | None
    change: NDArray[np.float32] | None
    """(parts, room) what the first sub-step changed, for single precision"""
    margins: Doubles
    """(2, parts, columns) the rows above and below the band"""
    sides: Doubles
    """(2, rows, parts) the columns left of a strip, and those to which a periodic field returns"""


@inlined
def _third(age):
    """Which of three rows holds the one of this age."""
    return np.int64(np.uint64(age) % np.uint64(3))


@inlined
def _close_row(line, count, edge, at_left, at_right):
    """Ghost voxels at the ends of a row that reaches the border of the domain."""
    first, last = LEFT, LEFT + count - 1
    if at_left:
        line[first - 1] = 0.0 if edge == ABSORBING else line[last if edge == PERIODIC else first]
    if at_right:
        line[last + 1] = 0.0 if edge == ABSORBING else line[first if edge == PERIODIC else last]


@inlined
def _load_row(line, first_x, count, now):
    """A row of a strip before the first sub-step."""
    done, x = 0, first_x % line.size
    while done < count:  # in runs that end where the domain wraps around
        run = min(count - done, line.size - x)
        for i in range(run):
            now[np.uint64(done + i + LEFT)] = line[np.uint64(x + i)]
        done, x = done + run, 0


@inlined
def _exchange_sides(now, sides, parts, left, right, is_first, is_last):
    """Restore what other strips have changed in a row, and keep what this one will change.

    The strip is from ``left`` to ``right`` in the row.
    """
    for i in range(parts):
        if not is_first:
            now[left - parts + i] = sides[0, i]
        if is_last:
            now[right + i] = sides[1, i]
    for i in range(parts):
        if is_first:
            sides[1, i] = now[left + i]
        sides[0, i] = now[right - parts + i]


@inlined
def _load_rates(
    lattice, factor, kept_of, gained_of, held, y, first_x, count, width, slot, inside, kept, gained
):
    """What the voxels of a row keep and gain in a sub-step."""
    done, x = 0, first_x % width
    while done < count:
        run = min(count - done, width - x)
        if inside is not None:
            for i in range(run):
                inside[slot, np.uint64(done + i)] = lattice[y, np.uint64(x + i)] != MEDIUM
        if kept is not None:
            for i in range(run):
                kept[slot, done + i] = mean_over_voxel(lattice, factor, y, x + i, kept_of)
                gained[slot, done + i] = mean_over_voxel(lattice, factor, y, x + i, gained_of)
        if held is not None:
            for i in range(run):
                gained[slot, done + i] += held[y, x + i]
        done, x = done + run, 0


@inlined
def _euler_row(above, here, below, rates, slot, inside, kept, gained, change, count, then):
    """A row of a sub-step, without its ghost voxels: diffuse, then react."""
    k, stay, kept_out, kept_in = rates[0], rates[1], rates[2], rates[3]
    gained_out, gained_in = rates[4], rates[5]
    up, down, out = above[LEFT:], below[LEFT:], then[LEFT:]
    left, middle, right = here[LEFT - 1 :], here[LEFT:], here[LEFT + 1 :]
    for x in range(count):
        moved = stay * middle[x] + k * ((up[x] + down[x]) + (left[x] + right[x]))
        keeps, gains = kept_out, gained_out
        if inside is not None:
            keeps = kept_in if inside[slot, x] else kept_out
            gains = gained_in if inside[slot, x] else gained_out
        if kept is not None:
            keeps = kept[slot, x]
        if gained is not None:
            gains = gained[slot, x]
        now = keeps * moved + gains
        if change is None:
            out[x] = now
        else:
            out[x] = change[slot, x] = now - middle[x]


@inlined
def _later_row(above, here, below, rates, slot, inside, kept, gained, change, count, then):
    """A row of a sub-step that is not the first."""
    if change is None:
        _euler_row(above, here, below, rates, slot, inside, kept, gained, None, count, then)
    else:
        _euler_row(above, here, below, rates, slot, inside, kept, change, None, count, then)


@inlined
def _write_row(done, first_x, change, least, left, right, line):
    for x in range(left, right):
        value = done[np.uint64(x - first_x + LEFT)]
        if change is None:
            line[np.uint64(x)] = value
        else:
            before = line[np.uint64(x)]
            now = before + value  # stays where it is no number, or was too low before
            line[np.uint64(x)] = least if now < least <= before else now


@lean
def save_margins(wave, parts):
    """Keep the rows that a band depends on, before its neighbours change them."""
    c, height = wave.values, wave.values.shape[0]
    for side in range(2):
        begin = wave.bottom if side else wave.top - parts
        for i in range(parts):
            y = (begin + i) % height if wave.edge == PERIODIC else begin + i
            if 0 <= y < height:
                for x in range(c.shape[1]):
                    wave.margins[side, i, x] = c[y, np.uint64(x)]


@lean
def euler_band(wave, lattice, parts):
    """Some sub-steps of a band whose margins have been saved."""
    (
        c, top, bottom, strips, _, edge, factor, least, exact, rates, kept_of, gained_of,
        held, first, rows, inside, kept, gained, change, margins, sides,
    ) = wave  # fmt: skip
    height, width = c.shape
    periodic = edge == PERIODIC
    first_y = top - parts if periodic else max(top - parts, 0)
    end_y = bottom + parts if periodic else min(bottom + parts, height)
    for strip in range(strips):
        left, right = strip * width // strips, (strip + 1) * width // strips
        first_x, end_x = left - parts, right + parts
        if strips == 1 or not periodic:
            first_x, end_x = max(first_x, 0), min(end_x, width)
        count = end_x - first_x
        at_left = strips == 1 or (not periodic and left == 0)
        at_right = strips == 1 or (not periodic and right == width)
        newest = -1
        for front in range(first_y, bottom + parts):
            newest = newest + 1 if newest + 1 < parts else 0
            if front < end_y:
                now = first[_third(front - first_y)]
                if front < top:
                    _load_row(margins[0, front - top + parts], first_x, count, now)
                elif front >= bottom:
                    _load_row(margins[1, front - bottom], first_x, count, now)
                else:
                    _load_row(c[front], first_x, count, now)
                    if strips > 1:
                        _exchange_sides(
                            now, sides[:, front - top], parts, LEFT + left - first_x,
                            LEFT + right - first_x, strip == 0, periodic and strip == strips - 1,
                        )  # fmt: skip
                _close_row(now, count, edge, at_left, at_right)
            least_part = max(1, front - end_y + 1)
            most_part = min(parts, front - first_y, (front - top + parts) // 2)
            for part in range(least_part, most_part + 1):
                y = front - part
                third = _third(y - first_y)
                above, below = third - 1 if third > 0 else 2, third + 1 if third < 2 else 0
                if not periodic:  # as numbers: rows would have their references counted
                    beyond = third if edge == NO_FLUX else ZEROS
                    above, below = beyond if y == 0 else above, beyond if y == height - 1 else below
                slot = np.uint64(
                    newest - part + 1 if part <= newest + 1 else newest - part + 1 + parts
                )
                then = rows[part - 1, third]
                if part == 1:
                    _load_rates(
                        lattice, factor, kept_of, gained_of, held, y % height, first_x, count,
                        width, slot, inside, kept, gained,
                    )  # fmt: skip
                    _euler_row(
                        first[above], first[third], first[below], exact, slot,
                        inside, kept, gained, change, count, then,
                    )  # fmt: skip
                else:
                    before = rows[part - 2]
                    _later_row(
                        before[above], before[third], before[below], rates, slot,
                        inside, kept, gained, change, count, then,
                    )  # fmt: skip
                _close_row(then, count, edge, at_left, at_right)
            y = front - parts
            if y >= top:
                done = rows[parts - 1, _third(y - first_y)]
                _write_row(done, first_x, change, least, left, right, c[y])


@inlined
def waves_for(substeps):
    """In how many waves sub-steps are made."""
    return (substeps + MOST_PARTS - 1) // MOST_PARTS


@inlined
def parts_of(substeps, wave):
    """How many of the sub-steps a wave makes."""
    waves = waves_for(substeps)
    return (wave + 1) * substeps // waves - wave * substeps // waves


@lean
def euler_field(wave, lattice, counts, threads):
    """All sub-steps of a field; called once by each thread, with the wave of its band.

    The threads wait for each other at ``counts``; see `sim.kernels.barrier.wait`.
    """
    for i in range(waves_for(wave.substeps)):
        parts = parts_of(wave.substeps, i)
        save_margins(wave, parts)
        wait(counts, threads)
        euler_band(wave, lattice, parts)
        wait(counts, threads)


def waves_of(
    c: Doubles,
    factor: int,
    source_of: Doubles,
    loss_of: Doubles,
    diffusion: float,
    dt: float,
    substeps: int,
    edge: int,
    precision: str = "double",
    bands: int = 1,
    buffers: Buffers | None = None,
    held: Doubles | None = None,
) -> list[Wave]:
    """A field as kernels take it, in bands of rows.

    Parameters
    ----------
    c, factor, source_of, loss_of, diffusion, dt, substeps, edge, precision
        As in `euler_step`.
    bands : int
    buffers : Buffers
        Where its room is kept.
    held
        As in `euler_step`.
    """
    buffers = buffers or Buffers()
    height, width = c.shape
    h = dt / substeps
    k, kept_of, gained_of = h * diffusion, 1.0 - h * loss_of, h * source_of
    alike = (
        held is None
        and factor == 1
        and all(bool((of[1:] == of[-1]).all()) for of in (kept_of, gained_of))
    )
    single = precision == "single"
    kind = np.float32 if single else np.float64
    exact = np.array(
        [k, 1.0 - 4.0 * k, kept_of[0], kept_of[-1], gained_of[0], gained_of[-1]], np.float64
    )
    positive = exact[:2].min() >= 0.0 and kept_of.min() >= 0.0 and gained_of.min() >= 0.0
    parts = min(substeps, MOST_PARTS)
    strips = max(1, 3 * parts * width * np.dtype(kind).itemsize // STRIP_BYTES)
    longest = -(-width // strips) + (2 * parts if strips > 1 else 0)
    room = -(-(LEFT + longest + 1) // LEFT) * LEFT

    def wave(band: int) -> Wave:
        top, bottom = band * height // bands, (band + 1) * height // bands

        def of(name: str, shape: tuple[int, ...], dtype: Any, needed: bool = True) -> Any:
            return buffers.of(f"{name} of band {band}", shape, dtype) if needed else None

        return Wave(
            values=c,
            top=top,
            bottom=bottom,
            strips=strips,
            substeps=substeps,
            edge=edge,
            factor=factor,
            least=0.0 if positive else -np.inf,
            exact=exact,
            rates=exact.astype(kind),
            kept_of=None if alike else kept_of,
            gained_of=None if alike else gained_of,
            held=None if held is None else h * held,
            first=of("first", (4, room), np.float64),
            rows=of("rows", (parts, 4, room), kind),
            inside=of("inside", (parts, room), np.bool_, alike),
            kept=of("kept", (parts, room), np.float64, not alike),
            gained=of("gained", (parts, room), np.float64, not alike),
            change=of("change", (parts, room), kind, single),
            margins=of("margins", (2, parts, width), np.float64),
            sides=of("sides", (2, bottom - top if strips > 1 else 0, parts), np.float64),
        )

    return [wave(band) for band in range(bands)]


def euler_step(
    c: Doubles,
    lattice: NDArray[np.int32],
    factor: int,
    source_of: Doubles,
    loss_of: Doubles,
    diffusion: float,
    dt: float,
    substeps: int,
    edge: int,
    precision: str = "double",
    threads: int = 1,
    buffers: Buffers | None = None,
    held: Doubles | None = None,
) -> None:
    """Forward Euler, in place: in each sub-step diffuse, then react.

    First order in the sub-step, second in the voxel; stable while diffusion * h <= 1/4 and
    loss * h <= 1 with h = dt / substeps.

    Parameters
    ----------
    c : (height, width) float64
        Concentration, changed.
    lattice : (height, width) int32
    factor : int
        Sites along a voxel's side.
    source_of, loss_of : (rows,) float64
        Source per time and loss rate of the medium, row 0, and of each cell.
    diffusion : float
        D / voxel^2, per time.
    dt : float
    substeps : int
    edge : int
        `NO_FLUX`, `ABSORBING` (c = 0 one voxel outside) or `PERIODIC`.
    precision : str
        ``"double"``, or ``"single"`` for the change in all but the first of 16 sub-steps.
    threads : int
        Results are bit-identical for any number.
    buffers : Buffers
        Where its room is kept from call to call.
    held : (height, width) float64, optional
        Source per time of each voxel beside that.
    """
    waves = waves_of(
        c, factor, source_of, loss_of, diffusion, dt, substeps, edge, precision, threads, buffers,
        held,
    )  # fmt: skip
    counts = np.zeros(1, np.int64)
    together(threads, lambda band: euler_field(waves[band], lattice, counts, threads))
