"""Several results side by side: what identifies them, what they gave, in what they differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from sim.assays import readout
from sim.view.report.parameters import parameters_of
from sim.view.report.part import Part, Picture, Table, unit_words


def labels_of(parts: Sequence[Part]) -> list[str]:
    """Return what each is called among the others: its name, with its seed if others have it."""
    labels = [part.title for part in parts]
    seeds = [f", seed {part.facts.get('Seed')}" for part in parts]
    for ends in (seeds, [f" ({number})" for number in range(1, len(parts) + 1)]):
        count = Counter(labels)
        labels = [label + end * (count[label] > 1) for label, end in zip(labels, ends, strict=True)]
    return labels


def side_by_side(parts: Sequence[Part]) -> list[Table]:
    """Return tables with a column for each result."""
    labels = labels_of(parts)
    keys = dict.fromkeys(key for part in parts for key in part.facts)
    facts: list[list[Any]] = [["Kind", *(part.kind for part in parts)]]
    facts += [[key, *map(_as_in_head, (part.facts.get(key) for part in parts))] for key in keys]
    return [Table("What is compared", ["", *labels], facts), *_readouts(parts, labels),
            *_differing(parts, labels)]  # fmt: skip


def _as_in_head(fact: Any) -> str | None:
    """Return a fact as the head of a result has it: a seed is no quantity, and has no commas."""
    return None if fact is None else str(fact)


def picture_rows(parts: Sequence[Part]) -> list[list[tuple[str, Picture]]]:
    """Return what is drawn of several results, each kind of picture together, with labels."""
    found: dict[str, list[tuple[str, Picture]]] = {}
    for label, part in zip(labels_of(parts), parts, strict=True):
        for picture in part.pictures:
            found.setdefault(picture.name, []).append((label, picture))
    return list(found.values())


def _readouts(parts: Sequence[Part], labels: Sequence[str]) -> list[Table]:
    """Return the final read-outs of the runs among them."""
    runs = [n for n, part in enumerate(parts) if part.readouts and part.values]
    if len(runs) < 2:
        return []
    names = dict.fromkeys(name for n in runs for name in parts[n].values)
    rows: list[list[Any]] = []
    for one in (readout(name) for name in names if not name.startswith("flag_")):
        values = [parts[n].values.get(one.name) for n in runs]
        rows.append([one.words, unit_words(one.unit), *values])
    return [Table("Read-outs at the end", ["read-out", "unit", *(labels[n] for n in runs)], rows)]


def _differing(parts: Sequence[Part], labels: Sequence[str]) -> list[Table]:
    """Return the parameters in which their scenarios differ."""
    some = [n for n, part in enumerate(parts) if part.scenario is not None]
    if len(some) < 2:
        return []
    found = {}
    for n in some:
        scenario = parts[n].scenario
        assert scenario is not None
        found[n] = {one.key: one for one in parameters_of(scenario)}
    rows = []
    for key in dict.fromkeys(key for own in found.values() for key in own):
        values = [found[n][key].value if key in found[n] else "not set" for n in some]
        if len(set(values)) > 1:
            about = next(own[key] for own in found.values() if key in own)
            rows.append([key, about.unit, *values])
    columns = ["key", "unit", *(labels[n] for n in some)]
    note = "" if rows else "Their scenarios are the same, but for name, seed and what is recorded."
    return [Table("In what their scenarios differ", columns, rows, note)]
