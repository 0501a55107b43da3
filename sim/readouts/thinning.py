"""Kernels that thin a phase on a torus, the same whichever way it is turned or mirrored.

They work on the *doubled grid*, where a site is a block of 3 x 3 positions around twice its
coordinates. Blocks of neighbours overlap, so every tube has an odd width, and a middle. Positions
are centres of sites (both coordinates even), sides, or corners (both odd).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.kernels.compiling import inlined, kernel

# State of a position: its neighbours as bits, clockwise from above, and two flags.
AROUND, SEEN, ASKS = 0xFF, 0x100, 0x200
NEAR = 40  # positions: the gap beside a tube is nearer, and this costs no more than parabolas


def removable() -> NDArray[np.bool_]:
    """Whether a position may go (16, 256): by diagonal neighbours that may go too, and neighbours.

    Bit k of the neighbours is the k-th clockwise from the one above, so diagonals have odd k. A
    position may go if a neighbour along an axis is gap, the others are in one piece, and there are
    at least two (one with a single neighbour ends a line); and all this whichever of the diagonal
    neighbours go with it (Bertrand's P-simple points).
    """
    code = np.arange(256)
    there = [(code >> k & 1).astype(bool) for k in range(8)]
    pieces = sum(
        (~there[k] & (there[k + 1] | there[(k + 2) % 8])).astype(int) for k in (0, 2, 4, 6)
    )
    alone = (pieces == 1) & (sum(site.astype(int) for site in there) > 1)
    table = np.ones((16, 256), dtype=bool)
    for asking in range(16):
        for going in range(16):
            if going & ~asking == 0:
                gone = sum((going >> i & 1) << (2 * i + 1) for i in range(4))
                table[asking] &= alone[code & ~gone]
    return table


@inlined
def _beside(at, size):
    """Coordinates before and after one on a torus."""
    return at - 1 if at > 0 else size - 1, at + 1 if at < size - 1 else 0


@inlined
def _lower_envelope(line, start, end, source, since, row, first, most):
    """Write the least (x - i)^2 + line[i] for each x of a stretch, `most` at most, into a row.

    `line` is the row from `first` on, once round. Sources i of parabolas that are least somewhere
    are kept with where that begins (Meijster et al. 2000).
    """
    top = -1
    for i in range(start, end + 1):
        begin = start
        while top >= 0:
            x, j = since[top], source[top]
            if (x - j) ** 2 + line[j] <= (x - i) ** 2 + line[i]:
                begin = 1 + (i * i - j * j + line[i] - line[j]) // (2 * (i - j))
                break
            top -= 1
        if begin <= end:
            top += 1
            source[top], since[top] = i, begin
    for x in range(end, start - 1, -1):
        least = (x - source[top]) ** 2 + line[source[top]]
        if x < row.size:
            at = first + x
            row[at if at < row.size else at - row.size] = min(least, most)
        if x == since[top]:
            top -= 1


@inlined
def _walk(row, round_thrice, least, most):
    """Squared distances along a row, by looking ever farther to both sides of all its positions.

    Returns whether all are found; far from the gap `_lower_envelope` is faster.

    Parameters
    ----------
    row : (width,) int32
        Distances within the columns.
    round_thrice : (3 width,) uint32
        Room for their squares, from one turn around the torus before the row to one after it.
    least : (width,) uint32
        Filled; at most ``most``.
    """
    width, highest = row.size, np.uint32(0)
    for x in range(width):
        at, turn = np.uint64(x), np.uint64(width)
        value = np.uint32(min(np.int64(row[at]) * row[at], most))
        least[at] = value
        round_thrice[at] = round_thrice[at + turn] = round_thrice[at + turn + turn] = value
        highest = max(highest, value)
    away = 1
    while away * away < highest and 2 * away <= width:
        if away > NEAR:
            return False
        left, right = round_thrice[width - away :], round_thrice[width + away :]
        between, highest = np.uint32(away * away), np.uint32(0)
        for x in range(width):
            at = np.uint64(x)
            least[at] = min(least[at], np.uint32(min(left[at], right[at]) + between))
            highest = max(highest, least[at])
        away += 1
    return True


@kernel
def squared_distance(grid, square):
    """Squared distance of each position to the nearest gap on a torus, exactly.

    Parameters
    ----------
    grid : (height, width) uint8
        1 where there is phase; some of it must be gap.
    square : (height, width) int32
        Filled. At most the size of the grid, which is exceeded only in strips much longer than
        wide that are hardly anything but phase.
    """
    height, width = grid.shape
    square[:] = height + width  # first the distance to the gap in the same column
    for step in (1, -1):
        for turn in range(2 * height):  # twice round, to continue across the border
            y = turn % height if step > 0 else height - 1 - turn % height
            before, here, phase = square[(y - step) % height], square[y], grid[y]
            changed = False
            for x in range(width):  # vectorised: indices have no sign
                at = np.uint64(x)
                way = np.int32(before[at] + 1) if phase[at] else np.int32(0)
                changed |= way < here[at]
                here[at] = min(here[at], way)
            if turn >= height and not changed:
                break
    line, source, since = np.empty((3, width + 1), np.int64)
    least, round_thrice = np.empty(width, np.uint32), np.empty(3 * width, np.uint32)
    for y in range(height):
        if _walk(square[y], round_thrice, least, grid.size):
            square[y] = least
            continue
        first = np.argmin(square[y])  # once round from here: what lies beyond is never nearer
        line[: width - first], line[width - first : width] = square[y, first:], square[y, :first]
        line[:width] *= line[:width]
        line[width] = line[0]
        start = 0
        while start < width:
            end = start + 1
            while end < width and line[end] > 0:
                end += 1
            if end > start + 1 or line[start] > 0:
                _lower_envelope(line, start, end, source, since, square[y], first, grid.size)
            start = end


@inlined
def _remove(at, state, found, count, height, width):
    """Remove a position; neighbours that were looked at before come up once more."""
    y, x = divmod(at, width)
    above, below = _beside(y, height)
    left, right = _beside(x, width)
    rows = (above, above, y, below, below, below, y, above)
    columns = (x, right, right, right, x, left, left, left)
    state[at] = 0
    for k in range(8):
        v, u = rows[k], columns[k]
        near = v * width + u
        state[near] &= ~(1 << (k + 4) % 8)
        if state[near] & SEEN:
            state[near] &= ~SEEN
            kind = (v & 1) + (u & 1)
            found[kind, count[kind]] = near
            count[kind] += 1


@inlined
def _asking_diagonals(at, state, height, width):
    """Which of the four diagonal neighbours ask to go, as bits clockwise from the upper right."""
    y, x = divmod(at, width)
    above, below = _beside(y, height)
    left, right = _beside(x, width)
    return (
        (state[above * width + right] & ASKS) // ASKS
        | (state[below * width + right] & ASKS) // ASKS << 1
        | (state[below * width + left] & ASKS) // ASKS << 2
        | (state[above * width + left] & ASKS) // ASKS << 3
    )


@kernel
def queued(grid, square):
    """Positions of a phase in the order in which thinning looks at them.

    Parameters
    ----------
    grid : (height, width) uint8
        1 where there is phase.
    square : (height, width) int32
        Squared distance to the gap.

    Returns
    -------
    queue : (p,) int32
        Flat positions by distance, at one distance centres, sides and corners.
    start : (3 most + 4,) int64
        Where those of distance ``s`` and kind ``k`` begin: at ``3 s + k``.
    """
    height, width = grid.shape
    start = np.zeros(3 * square.max() + 4, np.int64)
    for y in range(height):
        for x in range(width):
            if grid[y, x]:
                start[3 * square[y, x] + (y & 1) + (x & 1) + 1] += 1
    start = np.cumsum(start)
    end = start.copy()
    queue = np.empty(start[-1], np.int32)
    for y in range(height):
        for x in range(width):
            if grid[y, x]:
                group = 3 * square[y, x] + (y & 1) + (x & 1)
                queue[end[group]] = y * width + x
                end[group] += 1
    return queue, start


@kernel
def thin(grid, queue, start, removable):
    """Thin a phase on the doubled grid of a torus to its skeleton.

    Positions go by their distance to the gap, those at one distance in rounds of corners, sides
    and centres. Corners never touch each other, nor do centres, so each goes when its turn comes;
    two sides touch diagonally, so a side goes only if it may whichever others go too. Hence the
    topology stays, and nothing depends on the orientation.

    Parameters
    ----------
    grid : (height, width) uint8
        1 where there is phase.
    queue, start : (p,) int32, (3 most + 4,) int64
        Its positions as `queued` returns them.
    removable : (16, 256) bool
        The table of `removable`.

    Returns
    -------
    positions : (n,) int64
        Flat positions of the skeleton, ascending.
    around : (n,) uint16
        Their neighbours as bits, clockwise from the one above.
    square : (n,) int32
        Their squared distance to the gap.
    """
    height, width = grid.shape
    state = np.zeros(grid.size, np.uint16)
    for y in range(height):
        above, below = _beside(y, height)
        for x in range(width):
            if grid[y, x]:
                left, right = _beside(x, width)
                state[y * width + x] = (
                    grid[above, x]
                    | grid[above, right] << 1
                    | grid[y, right] << 2
                    | grid[below, right] << 3
                    | grid[below, x] << 4
                    | grid[below, left] << 5
                    | grid[y, left] << 6
                    | grid[above, left] << 7
                )

    active, found = np.empty((3, queue.size), np.int32), np.empty((3, queue.size), np.int32)
    count, more = np.zeros(3, np.int64), np.zeros(3, np.int64)
    for level in range(1, start.size // 3):
        for kind in range(3):
            first, last = start[3 * level + kind], start[3 * level + kind + 1]
            count[kind] = last - first
            active[kind, : last - first] = queue[first:last]
        while count.any():
            more[:] = 0
            for kind in range(3):
                for i in range(count[kind]):
                    if state[active[kind, i]]:  # not gone meanwhile
                        state[active[kind, i]] |= SEEN
            for kind in (2, 1, 0):  # corners, sides, centres
                asking = 0
                for i in range(count[kind]):
                    at = active[kind, i]
                    if removable[0, state[at] & AROUND]:
                        if kind == 1:
                            active[kind, asking] = at
                            state[at] |= ASKS
                            asking += 1
                        else:
                            _remove(at, state, found, more, height, width)
                going = 0
                for i in range(asking):
                    at = active[kind, i]
                    others = _asking_diagonals(at, state, height, width)
                    if removable[others, state[at] & AROUND]:
                        active[kind, i], active[kind, going] = active[kind, going], at
                        going += 1
                for i in range(asking):
                    state[active[kind, i]] &= ~ASKS
                for i in range(going):
                    _remove(active[kind, i], state, found, more, height, width)
            active, found = found, active
            count, more = more, count

    # what is left has neighbours: what goes leaves two or more
    positions, square, n = active[0], found[0], 0
    for level in range(1, start.size // 3):
        for i in range(start[3 * level], start[3 * level + 3]):
            if state[queue[i]]:
                positions[n], square[n] = queue[i], level
                n += 1
    ascending = np.argsort(positions[:n])
    positions = positions[ascending].astype(np.int64)
    return positions, state[positions] & AROUND, square[ascending]


@kernel
def link(positions, around, height, width):
    """Links between neighbouring positions, no diagonal one where a way along the axes exists.

    Parameters
    ----------
    positions, around : (n,) int
        As `thin` returns them.
    height, width : int
        Size of the doubled grid.

    Returns
    -------
    links : (m, 2) int64
        Pairs of numbers of positions.
    diagonal : (m,) bool
    """
    first = np.searchsorted(positions, np.arange(height + 1) * width)  # of each row
    here, beneath = np.empty((2, width), np.int64)  # numbers of the positions in two rows
    links = np.empty((4 * positions.size, 2), np.int64)
    diagonal = np.empty(len(links), np.bool_)
    m = 0
    for y in range(height):
        below = _beside(y, height)[1]
        for row, numbers in ((y, here), (below, beneath)):
            for i in range(first[row], first[row + 1]):
                numbers[positions[i] - row * width] = i
        for i in range(first[y], first[y + 1]):
            x = positions[i] - y * width
            left, right = _beside(x, width)
            ends = here[right], beneath[x], beneath[right], beneath[left]
            near = around[i]
            linked = near & 0x4 > 0, near & 0x10 > 0, near & 0x1C == 0x8, near & 0x70 == 0x20
            for k in range(4):
                if linked[k]:
                    links[m, 0], links[m, 1], diagonal[m] = i, ends[k], k > 1
                    m += 1
    return links[:m], diagonal[:m]


@kernel
def decompose(links, diagonal, degree):
    """Part a skeleton into pieces: clusters of branch positions, and chains of the others.

    Parameters
    ----------
    links : (m, 2) int64
    diagonal : (m,) bool
    degree : (n,) int64
        Links of each position; three or more make a branch.

    Returns
    -------
    piece : (n,) int64
        Piece of each position, numbered from 0.
    counts : (p, 3) int64
        Links of each piece along an axis and diagonally, and positions where a chain changes
        between the two. Links between a chain and a cluster belong to the chain.
    touches : (k, 2) int64
        Chain and cluster of each link between the two, in the order of the links.
    """
    piece = np.arange(degree.size)  # first the number of an earlier position of the same piece
    diagonals = np.zeros(degree.size, np.int64)
    for i in range(diagonal.size):
        a, b = links[i, 0], links[i, 1]
        diagonals[a] += diagonal[i]
        diagonals[b] += diagonal[i]
        if (degree[a] > 2) == (degree[b] > 2):
            while piece[a] != a:
                piece[a] = piece[piece[a]]
                a = piece[a]
            while piece[b] != b:
                piece[b] = piece[piece[b]]
                b = piece[b]
            piece[max(a, b)] = min(a, b)
    pieces = 0
    for i in range(piece.size):
        if piece[i] == i:
            piece[i] = pieces
            pieces += 1
        else:
            piece[i] = piece[piece[i]]
    counts, touches, k = np.zeros((pieces, 3), np.int64), np.empty_like(links), 0
    for i in range(diagonal.size):
        a, b = links[i, 0], links[i, 1]
        if degree[a] > 2:
            a, b = b, a
        counts[piece[a], 1 if diagonal[i] else 0] += 1
        if degree[a] <= 2 and degree[b] > 2:
            touches[k, 0], touches[k, 1] = piece[a], piece[b]
            k += 1
    for i in range(piece.size):
        if degree[i] == 2 and diagonals[i] == 1:
            counts[piece[i], 2] += 1
    return piece, counts, touches[:k]


@kernel
def keep(kept, links, diagonal, crossings):
    """What is left of a skeleton's links and crossings when only some positions stay.

    Parameters
    ----------
    kept : (n,) bool
        Positions that stay; they are numbered anew, in the same order.
    links : (m, 2) int64
    diagonal : (m,) bool
    crossings : (k, 4) int64

    Returns
    -------
    links, diagonal, crossings
        Those all of whose positions stay.
    """
    number, n = np.empty(kept.size, np.int64), 0
    for i in range(kept.size):
        number[i] = n
        n += kept[i]
    left, are_diagonal, m = np.empty_like(links), np.empty_like(diagonal), 0
    for i in range(diagonal.size):
        if kept[links[i, 0]] and kept[links[i, 1]]:
            left[m, 0], left[m, 1] = number[links[i, 0]], number[links[i, 1]]
            are_diagonal[m] = diagonal[i]
            m += 1
    squares, k = np.empty_like(crossings), 0
    for i in range(len(crossings)):
        stays = True
        for corner in range(4):
            stays &= kept[crossings[i, corner]]
            squares[k, corner] = number[crossings[i, corner]]
        k += stays
    return left[:m], are_diagonal[:m], squares[:k]


@kernel
def lies_in(positions, width, sites):
    """Which positions (n,) lie in a block of some of the sites.

    Parameters
    ----------
    positions : (n,) int64
        Flat positions on a doubled grid of this width.
    width : int
    sites : (H, W) bool
    """
    near = np.empty(positions.size, np.bool_)
    for i in range(positions.size):
        y, x = divmod(positions[i], width)
        below, right = (y + 1) // 2 % sites.shape[0], (x + 1) // 2 % sites.shape[1]
        above, left = y // 2, x // 2
        near[i] = (
            sites[above, left] | sites[above, right] | sites[below, left] | sites[below, right]
        )
    return near
