"""Results of one study that were made by different versions of libraries or processors."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

from sim.errors import InputError, LedgerWarning
from sim.runs.environment import Environment, environment
from sim.studies.ledger import Entry
from sim.studies.task import DONE


def check_mixing(entries: Iterable[Entry], *, resumed: bool, strict: Path | None = None) -> None:
    """Warn if results of a study were made, or are going to be, by different environments.

    Parameters
    ----------
    entries : iterable of Entry
        Of its runs.
    resumed : bool
        Whether this process makes more.
    strict : Path, optional
        The folder; mixing is refused then.

    Raises
    ------
    InputError
        Instead of the warning, if `strict`.
    """
    done = [entry.environment for entry in entries if entry.status == DONE]
    found = list({repr(sorted(one.items())): one for one in done}.values())
    words = differing(found, environment() if resumed and done else None)
    if not words:
        return
    if strict is not None:
        raise InputError(
            f"{strict}: runs of this study would be made by different versions or processors "
            f"({words}), which --strict refuses; use those of the finished runs, choose another "
            "folder, or leave out --strict"
        )
    text = f"runs of this study are made by different versions or processors: {words}"
    warnings.warn(f"{text}; their last bits may differ", LedgerWarning, stacklevel=3)


def differing(before: Sequence[Environment], now: Environment | None) -> str:
    """Return in words what differs between environments; empty if nothing does."""
    known = [one for one in before if one]
    words = []
    for name in dict.fromkeys(name for one in (*known, now or {}) for name in one):
        values = list(dict.fromkeys(one.get(name, "not recorded") for one in known))
        here = (now or {}).get(name, values[0] if values else "")
        if {*values} - {here}:
            was = " and ".join(values)
            words.append(f"{name} {was}" if now is None else f"{name} was {was}, is {here}")
    if len(known) < len(before) and (known or now):
        words.append("of some it was not recorded")
    return ", ".join(words)
