"""Results of one study that were made by different versions of libraries or processors."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

from sim.errors import InputError, LedgerWarning
from sim.runs.environment import Environment
from sim.studies.ledger import Entry
from sim.studies.task import DONE


def check_mixing(
    entries: Iterable[Entry], now: Iterable[Environment] = (), strict: Path | None = None
) -> bool:
    """Warn if results of a study were made, or are going to be, by different environments.

    Parameters
    ----------
    entries : iterable of Entry
        Of its runs.
    now : iterable of mapping of str to str
        Environments that are going to make more; none if there are none to make.
    strict : Path, optional
        The folder; mixing is refused then.

    Returns
    -------
    bool
        Whether they differ.

    Raises
    ------
    InputError
        Instead of the warning, if `strict`.
    """
    done = _distinct(entry.environment for entry in entries if entry.status == DONE)
    words = differing(done, _distinct(now))
    if not words:
        return False
    if strict is not None:
        raise InputError(
            f"{strict}: runs of this study would be made by different versions or processors "
            f"({words}), which --strict refuses; use those of the finished runs, choose another "
            "folder, or leave out --strict"
        )
    text = f"runs of this study are made by different versions or processors: {words}"
    warnings.warn(f"{text}; their last bits may differ", LedgerWarning, stacklevel=3)
    return True


def differing(before: Sequence[Environment], now: Sequence[Environment]) -> str:
    """Return in words what differs between environments; empty if nothing does."""
    known = [one for one in before if one]
    words = []
    for name in dict.fromkeys(name for one in (*known, *now) for name in one):
        were = list(dict.fromkeys(one.get(name, "not recorded") for one in known))
        are = list(dict.fromkeys(one[name] for one in now if name in one))
        if len({*were, *are}) > 1:
            was, is_now = " and ".join(were), " and ".join(are)
            words.append(
                f"{name} was {was}, is {is_now}" if were and are else f"{name} {was}{is_now}"
            )
    if len(known) < len(before) and (known or now):
        words.append("of some it was not recorded")
    return ", ".join(words)


def _distinct(environments: Iterable[Environment]) -> list[Environment]:
    return list({repr(sorted(one.items())): one for one in environments}.values())
