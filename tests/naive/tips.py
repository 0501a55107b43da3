"""Tip and stalk cells of a spheroid by their rules, one cell and one contact at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence

Contact = tuple[int, int, int]
Place = tuple[float, float]


def leaders(contacts: Sequence[Contact], tips: set[int], reach: int) -> dict[int, int]:
    """Whom each cell follows: of the neighbours nearest to a tip, that with the longest contact."""
    touches: dict[int, dict[int, int]] = {}
    for one, other, long in contacts:
        touches.setdefault(one, {})[other] = long
        touches.setdefault(other, {})[one] = long
    far = dict.fromkeys(tips, 0)
    for steps in range(1, reach + 1):
        new = {
            c for c in touches if c not in far and any(far.get(o) == steps - 1 for o in touches[c])
        }
        far |= dict.fromkeys(new, steps)
    return {
        cell: min(
            (other for other in touches[cell] if far.get(other) == steps - 1),
            key=lambda other: (-touches[cell][other], other),
        )
        for cell, steps in far.items()
        if steps > 0
    }


def stretch(one: Place, other: Place, slack: float, full: float) -> float:
    """From 0 to 1."""
    return min(max((math.dist(one, other) - slack) / full, 0.0), 1.0)


def pushes(
    contacts: Sequence[Contact],
    tips: dict[int, tuple[float, Place]],
    centres: dict[int, Place],
    *,
    reach: int,
    pull: float,
    slack: float,
    full: float,
) -> dict[int, Place]:
    """Push [y, x] of each cell; of tips their strength and polarity are given."""
    push = {cell: [0.0, 0.0] for cell in centres}
    for tip, (mu, polarity) in tips.items():
        near = [o for pair in contacts if tip in pair[:2] for o in pair[:2] if o != tip]
        lost = min((stretch(centres[tip], centres[o], slack, full) for o in near), default=1.0)
        for axis in (0, 1):
            push[tip][axis] += mu * (1.0 - lost) * polarity[axis]
    for follower, leader in leaders(contacts, set(tips), reach).items():
        apart = math.dist(centres[follower], centres[leader])
        w = pull * stretch(centres[follower], centres[leader], slack, full)
        for axis in (0, 1):
            e = (centres[leader][axis] - centres[follower][axis]) / apart if apart else 0.0
            push[follower][axis] += w * e
            push[leader][axis] -= w * e / 2
    return {cell: (y, x) for cell, (y, x) in push.items()}
