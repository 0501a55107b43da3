"""A live session: one model, or two side by side, that pages play, change and save."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import asdict
from pathlib import Path
from time import monotonic
from typing import Any, Final

import numpy as np

from sim.assays import DRIVE, assay, readout
from sim.errors import InputError, shown
from sim.files import new_file, plain
from sim.live.stage import SPEEDS, Row, Stage
from sim.model import model_of
from sim.model.base import AssayModel
from sim.model.clock import AngiogenesisModel
from sim.model.pace import Pace
from sim.runs.folder import folder_name
from sim.scenario.branch import time_of
from sim.scenario.classes import has_receptors, ligands_of, receptors_of
from sim.scenario.exposure import doses_of
from sim.scenario.schema import Scenario
from sim.scenario.writing import dump
from sim.view import style
from sim.view.paint import Overlay
from sim.view.scene import (
    CellScene,
    Details,
    Scene,
    cell_looks,
    grounds,
    legend,
    overlay_of,
    scene_of,
    type_names,
)

TURN_S: Final = 0.01
"""Steps are taken for so long before commands and pictures have their turn."""
ROWS_S: Final = 0.3
"""Read-outs are measured no more often than this, and take no more than a sixth of the time."""
ROWS_IN_A_RUN: Final = 600


class Session(Stage):
    """A model that moves before the eyes of its user.

    Parameters
    ----------
    scenario : Scenario
    threads : int
        Threads of the kernels.
    folder : Path, optional
        Where scenarios are saved; the working folder.

    Attributes
    ----------
    models : list of AssayModel
        One for each arm; touched by the thread of the stage alone.
    """

    def __init__(self, scenario: Scenario, threads: int = 1, folder: Path | None = None) -> None:
        super().__init__(scenario)
        self._threads, self._folder = threads, folder or Path.cwd()
        self.models: list[AssayModel] = []
        self._overlays: list[Overlay | None] = []
        self._pace = Pace(TURN_S)
        self._measured, self._cost_s = 0.0, 0.0
        self._broken = False

    def begin(self) -> Mapping[str, Any]:
        """Start the model; return what the page is made of."""
        self.do_reset()
        return {
            **about(self.scenario),
            "kind": "session",
            "controls": controls(self.scenario),
            "dose": _doses_a_body(self.scenario),
            "overlay": isinstance(self.models[0], AngiogenesisModel),
            "steps": self.scenario.time.steps,
        }

    @property
    def left(self) -> int:
        """Steps to the end."""
        model = self.models[0]
        return max(0, int(model.scenario.time.steps) - model.mcs)

    def advance(self, most: int) -> int:
        """Take some steps, as many as fit into a turn."""
        steps = min(most, self.left, self._pace.steps)
        self._refuse_broken()
        self._broken = True  # arms may be at different steps, or in the middle of one
        for model in self.models:
            model.advance(steps)
        self._broken = False
        self._pace.at(self.models[0].mcs)
        model, last = self.models[0], self.rows[-1][0][self.models[0].STEP]
        apart = model.mcs - last >= max(1, self.scenario.time.steps // ROWS_IN_A_RUN)
        due = monotonic() > self._measured + max(ROWS_S, 6 * self._cost_s)
        if (apart and due) or not self.left:
            self._measure()
        return steps

    def _measure(self) -> None:
        """Add a record of now to those of the page; the model's own are its own affair."""
        began = monotonic()
        row: Row = tuple(plain(_row(model)) for model in self.models)
        step = self.models[0].STEP
        if self.rows and self.rows[-1] != row and self.rows[-1][0][step] == row[0][step]:
            self.epoch += 1  # what was measured before a change is drawn no more
            self.rows = self.rows[:-1]
        if not self.rows or self.rows[-1][0][step] != row[0][step]:
            self.rows.append(row)
        self._overlays = [self._overlay(model) for model in self.models]
        self._measured, self._cost_s = monotonic(), monotonic() - began

    def _overlay(self, model: AssayModel) -> Overlay | None:
        return overlay_of(model) if self.look.overlay else None

    def scenes(self) -> Sequence[Scene]:
        """Return what is to see of each arm."""
        return [
            scene_of(model, bool(self.look.ground), over)
            for model, over in zip(self.models, self._overlays, strict=True)
        ]

    def head(self) -> dict[str, Any]:
        """Return where it is, and what is set."""
        return {
            "step": self.models[0].mcs,
            "time_h": self.models[0].time_h,
            "marks": dict(*(over.marks() for over in self._overlays[:1] if over)),
            "arms": [
                {one["key"]: value_of(model, one["key"]) for one in controls(model.scenario)}
                for model in self.models
            ],
        }

    def details(self, arm: int, scene: Scene, number: int) -> Details | None:
        """Return what is known of a cell of an arm, its receptors too."""
        model, found = self.models[arm], scene.details(number)
        if found is None or not isinstance(model, AngiogenesisModel):
            return found
        site = scene.site(number) if isinstance(scene, CellScene) else None
        cell = model.cell_at(*site) if site else None
        if cell is not None:
            spacing = model.scenario.domain.spacing_um
            x, y = cell.position_um
            found["rows"] += [
                ["length", f"{style.number(cell.length * spacing)} µm"],
                ["centre", f"x {x:.0f} µm, y {y:.0f} µm"],
            ]
            found["receptors"] = [
                [name, round(has["free"]), round(has["bound"]), has["inhibited"]]
                for name, has in cell.receptors.items()
            ]
        return found

    # -- commands ----------------------------------------------------------------------------

    def do_reset(self) -> None:
        """Begin anew, with as many arms."""
        self.playing = False
        count = max(1, len(self.models))
        self.models = [model_of(self.scenario, threads=self._threads) for _ in range(count)]
        self._broken = False
        self._start_rows()

    def do_split(self) -> None:
        """Continue as two arms, which are the same until one is changed."""
        if len(self.models) > 1:
            raise InputError("there are two arms already")
        self._refuse_broken()
        self.models.append(copy(self.models[0]))
        self.rows = [(*row, *row) for row in self.rows]
        self.epoch += 1
        self._overlays *= 2

    def do_join(self) -> None:
        """Continue with the first arm alone."""
        del self.models[1:], self._overlays[1:]
        self.rows = [row[:1] for row in self.rows]
        self.epoch += 1

    def do_play(self) -> None:
        """Move on."""
        super().do_play()
        self._measured = monotonic()

    def do_look(self, cells: str, ground: str, overlay: bool) -> None:
        """Choose how cells are coloured, over which field, and whether read-outs are drawn."""
        super().do_look(cells, ground, overlay)
        self._overlays = [self._overlay(model) for model in self.models]

    def do_pause(self) -> None:
        """Stop moving; what is drawn and measured is of now."""
        super().do_pause()
        self._measure_now()

    def do_step(self) -> None:
        """Take one step."""
        super().do_step()
        self._measure_now()

    def _measure_now(self) -> None:
        if self.rows[-1][0][self.models[0].STEP] != self.models[0].mcs and not self._broken:
            self._measure()

    def do_set(self, arm: int, key: str, value: float) -> None:
        """Change a medium of an arm from this step on."""
        model = self._arm(arm)
        known = {one["key"] for one in controls(model.scenario)}
        if key not in known:
            raise InputError(
                f"{shown(key)}: cannot be changed here; {', '.join(sorted(known)) or 'nothing'} can"
            )
        model.change(key, value)
        self._measure()

    def do_dose(self, arm: int, amount_mg: float) -> None:
        """Give the body of an arm one more dose, now; those that are planned are given too."""
        model = self._arm(arm)
        if not _doses_a_body(model.scenario):
            raise InputError("no body is dosed in this scenario")
        if not amount_mg > 0:
            raise InputError(f"amount_mg = {amount_mg:g}: must be above 0")
        now_h = time_of(model.scenario, model.mcs)
        if now_h < 0:
            raise InputError("doses can be given from time 0 on, when the drug starts")
        planned = [asdict(dose) for dose in doses_of(model.scenario) if dose.at_h >= now_h]
        model.change("drug.doses", [{"at_h": now_h, "amount_mg": amount_mg}, *planned])
        self._measure()

    def do_save(self, arm: int) -> dict[str, str]:
        """Write an arm as a scenario that replays it, into a new file; return where."""
        model = self._arm(arm)
        stem, number = f"{folder_name(model.scenario.name, 'scenario')}-live", 1
        while True:
            path = self._folder / f"{stem}{f'-{number}' if number > 1 else ''}.toml"
            try:
                with new_file(path) as temporary:
                    temporary.write_text(dump(model.scenario), encoding="utf-8")
            except FileExistsError:
                number += 1
            except OSError as error:
                raise InputError(f"{path}: {(error.strerror or str(error)).lower()}") from error
            else:
                return {"saved": str(path)}

    def _refuse_broken(self) -> None:
        if self._broken:
            raise InputError("a step has failed; reset to begin anew")

    def _arm(self, arm: int) -> AssayModel:
        self._refuse_broken()
        if arm >= len(self.models):
            raise InputError(f"arm = {arm}: there is no such arm")
        return self.models[arm]

    def _start_rows(self) -> None:
        self.rows, self.epoch = [], self.epoch + 1
        self._pace, self.chosen = Pace(TURN_S), None
        self._measure()


def about(scenario: Scenario) -> dict[str, Any]:
    """Return what is said once of a session or of a run."""
    declared, size = assay(scenario.assay), scenario.domain.size_um
    return {
        "name": scenario.name,
        "title": declared.title,
        "assay": scenario.assay.replace("_", " "),
        "seed": scenario.seed,
        "clock": declared.clock,
        "step_h": scenario.time.mcs_s / 3600,
        "start_h": scenario.time.start_h,
        "end_h": time_of(scenario, scenario.time.steps),
        "size_um": size,
        "speeds": SPEEDS,
        "looks": cell_looks(scenario),
        "grounds": {name: ramp.label for name, ramp in grounds(scenario).items()},
        "legend": legend(scenario),
        "types": type_names(scenario),
        "charts": charts(scenario),
    }


def charts(scenario: Scenario) -> list[dict[str, Any]]:
    """Return what is drawn over time: label of the axis, and lines with their words."""
    found: list[dict[str, Any]] = [
        {"label": label, "lines": [[name, readout(name).words] for name in names]}
        for label, names in assay(scenario.assay).panels
    ]
    if has_receptors(scenario):
        lines = [[f"inhibition_{name}", f"{name} inhibited"] for name in receptors_of(scenario)]
        if assay(scenario.assay).model == "lattice":
            lines.insert(0, [DRIVE.name, DRIVE.words])
        found.append({"label": "signal (0-1)", "lines": lines})
    if scenario.drug is not None:
        drugs = [["free_nM", scenario.drug.name]]
        if scenario.partner is not None:
            drugs.append(["partner_free_nM", scenario.partner.name])
        steps = not _doses_a_body(scenario)
        found.append({"label": "unbound drug (nM)", "lines": drugs, "steps": steps})
    baths = [[f"bath_{n}", n] for n, one in ligands_of(scenario).items() if one.gradient is None]
    if baths:
        found.append({"label": "growth factors (ng/mL)", "lines": baths, "steps": True})
    return found


def controls(scenario: Scenario) -> list[dict[str, Any]]:
    """Return what may be changed: key, words, unit, and the highest value of a slider."""
    found = []
    for table, drug in (("drug", scenario.drug), ("partner", scenario.partner)):
        if drug is not None and drug.exposure != "pk":
            all_of_it = drug.nominal_nM is not None or any(m.nominal_nM for m in drug.media)
            kind, words = ("nominal", "all of it") if all_of_it else ("free", "unbound")
            found.append({
                "key": f"{table}.{kind}_nM", "words": f"{drug.name}, {words}", "unit": "nM",
                "lowest": 0.01, "highest": 1000.0,
            })  # fmt: skip
    return found + [
        {"key": f"ligands.{name}.bath_ng_ml", "words": name, "unit": "ng/mL",
         "lowest": 0.1, "highest": 200.0}
        for name, ligand in ligands_of(scenario).items()
        if ligand.gradient is None
    ]  # fmt: skip


def value_of(model: AssayModel, key: str) -> float:
    """Return what a control is set to now."""
    table, name, *_ = key.split(".")
    if table == "ligands":
        return ligands_of(model.scenario)[name].bath_at(model.time_h)
    exposure = model.exposure
    if table == "partner":
        assert model.effect is not None
        exposure = model.effect.agents[1].exposure
    now = np.array([model.time_h])
    return float((exposure.free_nM(now) if name == "free_nM" else exposure.total_nM(now))[0])


def _doses_a_body(scenario: Scenario) -> bool:
    return scenario.drug is not None and scenario.drug.exposure == "pk"


def _row(model: AssayModel) -> dict[str, float | int]:
    """Return the read-outs of a model now, and what is in its medium."""
    now = model.readouts if model.recorded else model.measure()
    ligands = ligands_of(model.scenario)
    return {**now, **{f"bath_{n}": one.bath_at(model.time_h) for n, one in ligands.items()}}
