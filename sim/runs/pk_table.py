"""Tables of drugs in bodies, one or several side by side, from what JSON says of each."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pandas import DataFrame

Told = dict[str, Any]
Table = tuple[list[str], list[list[str]]]
"""Titles of the columns, and rows."""

READOUTS = {
    "cmax_nM": "Cmax, nM",
    "cmax_ng_ml": "Cmax, ng/mL",
    "tmax_h": "time of Cmax, h",
    "auc_nM_h": "AUC, nM h",
    "auc_ng_h_ml": "AUC, ng h/mL",
    "mean_nM": "mean, nM",
    "mean_ng_ml": "mean, ng/mL",
    "last_nM": "trough, nM",
    "last_ng_ml": "trough, ng/mL",
    "cmax_free_nM": "free Cmax, nM",
    "cmax_free_ng_ml": "free Cmax, ng/mL",
    "mean_free_nM": "free mean, nM",
    "mean_free_ng_ml": "free mean, ng/mL",
    "last_free_nM": "free trough, nM",
    "last_free_ng_ml": "free trough, ng/mL",
}
OF_POPULATION = {
    "effective_half_life_h": "effective half-life, h",
    "terminal_half_life_h": "terminal half-life, h",
    "cmax_nM": "Cmax, nM",
    "cmax_ng_ml": "Cmax, ng/mL",
    "auc_nM_h": "AUC, nM h",
    "auc_ng_h_ml": "AUC, ng h/mL",
    "last_nM": "at the end, nM",
    "last_ng_ml": "at the end, ng/mL",
}
NOT_KNOWN = "not known"
PERCENTILES = ("p5", "p50", "p95")
COLUMNS = (
    "label", "drug", "partner", "species", "potency", "pk_set", "kp_uu", "regimen", "set",
    "scenario", "scenario_hash", "version", "warning", "subject", "window", "first_day", "last_day",
    "start_h", "end_h", "readout", "value", "unit",
)  # fmt: skip
"""Of the CSV file."""


def number(value: float | None) -> str:
    """Return a number with four significant digits, in plain figures below a million."""
    return "-" if value is None else f"{float(f'{value:.4g}'):g}"


def exposure_table(results: Sequence[Told]) -> Table:
    """Return exposure and inhibition by window; of several results, the first and last cycle."""
    several = len(results) > 1
    columns = [
        (f"{one['label']}: {name}" if several else name, one, one["windows"][name])
        for one in results
        for name in (_shown(one["windows"]) if several else one["windows"])
    ]
    titles = ["total in plasma, free at the cells", *(title for title, _, _ in columns)]
    windows = [window for _, _, window in columns]
    days = [(window["first_day"], window["last_day"]) for window in windows]
    hours = [(round(window["start_h"], 2), round(window["end_h"], 2)) for window in windows]
    rows = [
        ["days", *(f"{a}" if a == b else f"{a}-{b}" for a, b in days)],
        ["hours", *(f"{start:.9g}-{end:.9g}" for start, end in hours)],
    ]
    rows += [[words, *(number(w[key]) for w in windows)] for key, words in READOUTS.items()]
    for receptor in dict.fromkeys(name for _, one, _ in columns for name in one["ic50_nM"]):
        rows += _of_receptor(receptor, columns)
    return titles, rows


def _shown(windows: Told) -> list[str]:
    """Return the windows of one of several results: its first and its last cycle."""
    cycles = [name for name in windows if "cycle" in name] or list(windows)
    return list(dict.fromkeys((cycles[0], cycles[-1])))


def _of_receptor(receptor: str, columns: Sequence[tuple[str, Told, Told]]) -> Iterator[list[str]]:
    """Yield the rows of a receptor; a drug that has no potency for it has none."""
    ic50s = [one["ic50_nM"].get(receptor) for _, one, _ in columns]
    alike = len(set(ic50s)) == 1
    if not alike:
        yield [f"{receptor} IC50, nM", *map(number, ic50s)]
    for key, words in (
        ("mean", "inhibited, mean"),
        ("highest", "highest"),
        ("last", "at end"),
        ("above_ic50", f"time above {ic50s[0]:g} nM" if alike else "time above it"),
    ):
        found = [window["inhibition"].get(receptor) for _, _, window in columns]
        yield [f"{receptor} {words}", *(f"{100 * f[key]:.0f} %" if f else "-" for f in found)]


def population_table(results: Sequence[Told]) -> Table | None:
    """Return percentiles over the subjects; None where nothing varies or nobody asked."""
    if not any(one["population"] for one in results):
        return None
    rows = []
    for key, words in OF_POPULATION.items():
        cells = []
        for found in (one["population"].get(key) for one in results):
            p5, p50, p95 = (
                (number(found[name]) for name in ("p5", "p50", "p95")) if found else "---"
            )
            cells.append(f"{p50} ({p5}-{p95})" if found else NOT_KNOWN)
        rows.append([f"population {words}", *cells])
    over = "median (5th-95th percentile)"
    titles = [f"{one['label']}: {over}" if len(results) > 1 else over for one in results]
    return [f"{results[0]['subjects']} subjects, whole schedule", *titles], rows


def target_table(results: Sequence[Told]) -> Table | None:
    """Return what targets come to, and the share of subjects; None if there are none."""
    if not results[0]["targets"]:
        return None
    asked = any(one["subjects"] for one in results)
    several = len(results) > 1
    titles = ["target"]
    for one in results:
        of = f"{one['label']}: " if several else ""
        typical = f"subject {one['subject']}" if one["subject"] else "typical subject"
        titles += [f"{of}{typical}", *[f"{of}subjects in whom it holds"] * asked]
    words = dict.fromkeys(found["target"] for one in results for found in one["targets"])
    rows = []
    for text in words:
        row = [text]
        for one in results:
            found = next((found for found in one["targets"] if found["target"] == text), None)
            row.append("-" if found is None else number(found["value"]))
            if asked and found is None:
                row.append("-")
            elif asked and found is not None:
                share = found["share"]
                row.append(NOT_KNOWN if share is None else f"{100 * share:.1f} %")
        rows.append(row)
    return titles, rows


def notes(results: Sequence[Told]) -> list[str]:
    """Return what is not known of the spread between subjects."""
    found = []
    for one in results:
        spread = one["provenance"]["spread"]
        of = f"{one['label']}: " if len(results) > 1 else ""
        unknown = [name for name, words in spread.items() if words == NOT_KNOWN]
        if one["subjects"] and not one["population"]:
            found.append(
                f"population: {of}spread between subjects is not known, so there are no bands"
            )
        elif one["subjects"] and unknown:
            listed = ", ".join(unknown)
            found.append(f"population: {of}spread of {listed} is not known; it does not vary")
    return found


def origin(result: Told) -> list[str]:
    """Return where the numbers of a result come from, in lines."""
    found = result["provenance"]
    lines = [
        f"angiosim {found['version']}, scenario {found['scenario']}, "
        f"hash {found['scenario_hash'][:12]}",
        f"potency set {found['potency']}; pharmacokinetics {found['pk_set']}",
    ]
    return lines + ([f"set: {_settings(found['set'])}"] if found["set"] else [])


def _settings(given: Told) -> str:
    return ", ".join(f"{key} = {value}" for key, value in given.items())


def heading(result: Told) -> str:
    """Return drug, species, kp_uu and regimen in a line."""
    drug = result["drug"] + (f" with {result['partner']['drug']}" if "partner" in result else "")
    words = f"{drug}, {result['species']}, kp_uu {result['kp_uu']:g}"
    return f"{words}: {result['provenance']['regimen']}"


def tables(results: Sequence[Told]) -> list[Table]:
    """Return all tables of some results."""
    found = (exposure_table(results), population_table(results), target_table(results))
    return [table for table in found if table is not None]


def warnings_of(results: Sequence[Told]) -> list[str]:
    """Return what to know before the numbers are compared, each once."""
    return list(dict.fromkeys(text for one in results for text in one["provenance"]["warnings"]))


def markdown(results: Sequence[Told]) -> str:
    """Return where results come from and their tables, as Markdown."""
    lines = []
    for one in results:
        name = f"{one['label']}: " if len(results) > 1 else ""
        lines.append("- " + _cell("; ".join([name + heading(one), *origin(one)])))
    lines += [f"- warning: {_cell(text)}" for text in warnings_of(results)]
    lines += [f"- {_cell(text)}" for text in notes(results)]
    for titles, rows in tables(results):
        lines += ["", _row(titles), "|" + "|".join([":--", *["--:"] * (len(titles) - 1)]) + "|"]
        lines += map(_row, rows)
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(_cell, cells)) + " |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def records(results: Sequence[Told]) -> Iterator[Told]:
    """Yield a row for each read-out, with `COLUMNS`; the value is None where it is not known.

    ``subject`` is ``typical`` (or the number of the chosen one), ``p5``, ``p50`` or ``p95`` of the
    population, or ``share`` of it in whom a target holds (a fraction).
    """
    for one in results:
        found = one["provenance"]
        head = {key: one[key] for key in ("label", "drug", "species", "kp_uu")}
        head |= {key: found[key] for key in ("potency", "pk_set", "regimen", "scenario",
                                             "scenario_hash", "version")}  # fmt: skip
        head |= {"partner": one.get("partner", {}).get("drug", "")}
        head |= {"set": _settings(found["set"]), "warning": "; ".join(found["warnings"])}
        typical = str(one["subject"] or "typical")
        for subject, window, name, value, unit in _values(one, typical):
            span = {
                key: one["windows"].get(window, {}).get(key)
                for key in ("first_day", "last_day", "start_h", "end_h")
            }
            row = head | {"subject": subject, "window": window, **span}
            row |= {"readout": name, "value": value, "unit": unit}
            yield {column: row[column] for column in COLUMNS}


def _values(one: Told, typical: str) -> Iterator[tuple[str, str, str, float | None, str]]:
    """Yield subject, window, read-out, value and unit."""
    for name in ("effective_half_life_h", "terminal_half_life_h", "accumulation"):
        yield typical, "schedule", name, one[name], _unit(name)
    for receptor, ic50_nM in one["ic50_nM"].items():
        yield typical, "schedule", f"ic50.{receptor}", ic50_nM, "nM"
    for window, found in one["windows"].items():
        for name, value in found.items():
            if name not in ("first_day", "last_day", "start_h", "end_h", "inhibition"):
                yield typical, window, name, value, _unit(name)
        for receptor, inhibited in found["inhibition"].items():
            for name, value in inhibited.items():
                yield typical, window, f"inhibition.{receptor}.{name}", value, _unit(name)
    if one["subjects"]:
        for name in OF_POPULATION:
            found = one["population"].get(name, {})
            for percentile in PERCENTILES:
                yield percentile, "schedule", name, found.get(percentile), _unit(name)
    for found in one["targets"]:
        words, window, unit = found["target"], found["window"], found["unit"]
        yield typical, window, words, found["value"], unit
        if one["subjects"]:
            for percentile in PERCENTILES:
                yield percentile, window, words, found[percentile], unit
            yield "share", window, words, found["share"], ""


def _unit(name: str) -> str:
    """Return the unit that the name of a read-out ends with; empty for fractions and ratios."""
    units = {"_ng_h_ml": "ng h/mL", "_nM_h": "nM h", "_ng_ml": "ng/mL", "_nM": "nM", "_h": "h"}
    return next((unit for end, unit in units.items() if name.endswith(end)), "")


def frame(results: Sequence[Told]) -> DataFrame:
    """Return the rows as a data frame."""
    import pandas as pd

    return pd.DataFrame.from_records(list(records(results)), columns=list(COLUMNS))


def csv_of(results: Sequence[Told]) -> str:
    """Return the rows as a CSV file; what is not known is empty."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(records(results))
    return text.getvalue()
