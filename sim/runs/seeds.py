"""Seeds of replicates: shared by all arms of one, and by nothing else."""

from __future__ import annotations

import hashlib

SEED_BITS = 48  # few enough for a spreadsheet to keep every digit


def replicate_seed(seed: int, replicate: int, purpose: str = "study") -> int:
    """Return the seed of a replicate: all its arms share it, and no other replicate has it.

    Parameters
    ----------
    seed : int
        Seed of the study.
    replicate : int
        Its number, from 1.
    purpose : str
        What has seeds of its own: a study shows no run that a calibration was fitted with.
    """
    text = f"angiosim {purpose} {seed} replicate {replicate}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()) >> (256 - SEED_BITS)
