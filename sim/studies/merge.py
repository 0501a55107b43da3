"""Merging the shards of a study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sim.errors import FolderError, InputError
from sim.studies.folder import hold
from sim.studies.ledger import LEDGER, Ledger
from sim.studies.mixing import check_mixing
from sim.studies.sweep import Analyse, finish, write_if_new
from sim.studies.table import STUDY, Study, open_result
from sim.studies.task import DONE


def merge(
    folders: Sequence[Path], out: Path, *, strict: bool = False, analyse: Analyse | None = None
) -> Study:
    """Merge the shards of a study.

    Parameters
    ----------
    folders : sequence of Path
        Study folders of the shards.
    out : Path
        New or empty; or one that holds this study, which then takes up missing runs.
    strict : bool
        Refuse shards that different versions of libraries or processors have made.
    analyse : callable, optional
        Called once the table is written.

    Raises
    ------
    InputError
        If a folder is not a study, or they are not the same study.
    AngiosimError
        If two of them have different results of one run; then nothing is merged.
    """
    plan, code = open_result(folders[0]).plan, ""
    keys: dict[int, str] = {}
    with Ledger(None) as together:
        for folder in folders:
            shard = open_result(folder)
            if shard.plan.text != plan.text:
                raise InputError(f"{folder}: is another study than {folders[0]}")
            with Ledger(folder / LEDGER, read_only=True) as ledger:
                found = ledger.about()["code"]
                together.take_over(ledger)
            if found != (code := code or found):
                raise InputError(f"{folder}: is from another angiosim version than {folders[0]}")
            made = [run for run in shard.runs if shard.entries[run.key].status == DONE]
            done = {run.index: run.key for run in made}
            keys = {run.index: run.key for run in shard.runs} | keys | done
        entries = together.entries()
        planned = [entries[key] for key in {*keys.values()} & entries.keys()]
        check_mixing(planned, strict=out if strict else None)
        with hold(out, STUDY, plan.name), Ledger(out / LEDGER) as ledger:
            about, entries = ledger.about(), ledger.entries()
            if about and (about["study"], about["code"]) != (plan.text, code):
                raise FolderError(
                    f"{out}: contains another study, or one of another angiosim version; choose "
                    "another folder"
                )
            known = {key for key, entry in entries.items() if entry.status == DONE}
            keys |= {n: k for n, k in ledger.planned().items() if k in known}
            runs = [replace(run, key=keys.get(run.index, run.key)) for run in plan.runs]
            write_if_new(out / STUDY, plan.text)
            ledger.plan(runs, plan.text, code)
            ledger.take_over(together)
            result = Study(plan, runs, ledger.entries(), out)
            finish(result, ledger, analyse)
            return result
