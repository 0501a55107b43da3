"""How finely the drug and the receptors see time."""

from __future__ import annotations

from math import ceil

LONGEST_SUBSTEP_S = 30.0  # ligand and drug count as constant this long


def substeps(dt_s: float) -> int:
    """Equal parts into which a step is cut, so that drive is right at any step."""
    return max(1, ceil(dt_s / LONGEST_SUBSTEP_S))
