"""The live view: what the server answers, and to whom; what a session records and saves."""

from __future__ import annotations

import errno
import http.client
import io
import json
import os
import re
import signal
import struct
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from marks import slow
from PIL import Image
from typer.testing import CliRunner

import sim
from sim.cli.main import app
from sim.errors import InputError
from sim.live import stage as staging
from sim.live.player import Player
from sim.live.server import Server, page, policy
from sim.live.session import Session, about, controls
from sim.live.stage import Stage
from sim.runs.result import Result
from sim.scenario.resolve import load
from sim.scenario.shipped import shipped
from sim.view.paint import GROUND_SHADES, NUMBER, Ramp, paint_cells, round_limits

SMALL = {
    "domain.size_um": [100, 100],
    "cells.count": 6,
    "time.duration_h": 1.0,
    "time.record_every_h": 0.25,
}


class Client:
    """A page, as the server sees it."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.server = Server(stage)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.headers = {"X-Token": self.server.token, "Content-Type": "application/json"}
        self.number = 0

    def ask(
        self, path: str, method: str = "GET", body: bytes | None = None, **headers: str | None
    ) -> tuple[int, dict[str, str], bytes]:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {k: v for k, v in (self.headers | given).items() if v is not None}
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=120)
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def do(self, name: str, **values: Any) -> tuple[int, Any]:
        self.number += 1
        command = {"do": name, "page": "me", "number": self.number, **values}
        status, _, body = self.ask("/do", "POST", json.dumps(command).encode())
        return status, json.loads(body) if body else None

    def next(self, version: int = 0, epoch: int = -1, rows: int = 0) -> tuple[Any, list[bytes]]:
        status, _, body = self.ask(f"/next?version={version}&epoch={epoch}&rows={rows}")
        assert status == 200
        (size,) = struct.unpack("<I", body[:4])
        head, at, pictures = (
            json.loads(body[4 : 4 + size], parse_constant=pytest.fail),
            4 + size,
            [],
        )
        for length in head["pictures"]:
            pictures.append(body[at : at + length])
            at += length
        assert at == len(body)
        return head, pictures


@pytest.fixture
def client() -> Iterator[Callable[..., Client]]:
    opened = []

    def start(stage: Stage) -> Client:
        stage.start()
        opened.append(Client(stage))
        return opened[-1]

    yield start
    for one in opened:
        one.server.shutdown()
        one.server.server_close()


@pytest.fixture
def small(client: Callable[..., Client], tmp_path: Path) -> Client:
    return client(Session(load("tube_formation", SMALL, seed=3), folder=tmp_path))


def same(one: Any, other: Any) -> bool:
    a, b = one.state(), other.state()
    return a.keys() == b.keys() and all(a[name].tobytes() == b[name].tobytes() for name in a)


def wait(true: Callable[[], object], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


# -- to whom it answers --------------------------------------------------------------------------


def test_the_page_is_whole_and_its_policy_allows_nothing_else(small: Client) -> None:
    status, headers, body = small.ask(f"/?token={small.server.token}", X_Token=None)
    assert status == 200 and body == page() and headers["Content-Type"].startswith("text/html")
    assert headers["Content-Security-Policy"] == policy()
    assert policy().startswith("default-src 'none'; script-src 'sha256-")
    for word in ("unsafe", "http", "*"):
        assert word not in policy()
    for part in ("base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"):
        assert part in policy()
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store" and headers["Referrer-Policy"] == "no-referrer"
    assert headers["Server"].strip() == "angiosim"
    text = body.decode()
    for word in ("http:", "https:", "src=", "eval(", " style=", " onclick=", "innerHTML"):
        assert word not in text, word
    assert small.server.token not in text


def test_it_listens_on_this_machine_alone(small: Client) -> None:
    assert small.server.server_address[0] == "127.0.0.1" and small.server.port > 0
    assert small.server.url.startswith(f"http://127.0.0.1:{small.server.port}/?token=")


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "example.org"},  # DNS rebinding
        {"Host": "127.0.0.1"},
        {"Origin": "https://example.org"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"X_Token": "wrong"},
        {"X_Token": None},
        {"X_Token": "é".encode().decode("latin-1")},
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["/", "/about", "/next?version=0&epoch=0&rows=0", "/do"])
def test_others_are_refused(small: Client, path: str, headers: dict[str, str | None]) -> None:
    body = b'{"do": "step"}' if path == "/do" else None
    status, _, answer = small.ask(path, "POST" if body else "GET", body, **headers)
    assert status == 403 and json.loads(answer)["error"]
    assert small.stage.models[0].mcs == 0


def test_a_browser_is_started_with_an_address_for_one_use(small: Client) -> None:
    """What a process was started with can be read by other users of the machine."""
    path = small.server.first_url.partition(str(small.server.port))[2]
    assert small.server.token not in path
    wrong = (
        (path[:-1], {}),
        (path, {"Host": "example.org"}),
        (path, {"Sec_Fetch_Site": "cross-site"}),
    )
    for where, headers in wrong:
        assert small.ask(where, X_Token=None, **headers)[0] == 403
    status, headers, _ = small.ask(path, X_Token=None)
    assert status == 303 and headers["Location"] == f"/?token={small.server.token}"
    assert small.ask(headers["Location"], X_Token=None)[0] == 200
    for where in (path, "/?once="):
        assert small.ask(where, X_Token=None)[0] == 403


def test_what_comes_from_the_page_is_taken(small: Client) -> None:
    port = small.server.port
    for host in ("127.0.0.1", "localhost"):
        headers = {"Host": f"{host}:{port}", "Origin": f"http://{host}:{port}"}
        status, _, _ = small.ask("/about", Sec_Fetch_Site="same-origin", **headers)
        assert status == 200
    assert small.ask("/favicon.ico")[0] == 404
    assert small.ask("/", "DELETE")[0] == 501


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "valid JSON"),
        (b"{", "valid JSON"),
        (b"\xff", "valid JSON"),
        (b"[" * 60_000, "valid JSON"),
        (b"[]", "JSON object"),
        (b"{}", "no such command"),
        (b'{"do": "work"}', "no such command"),
        (b'{"do": ["play"]}', "no such command"),
        (b'{"do": "step", "value": 1}', "no values"),
        (b'{"do": "set", "arm": 0}', "needs arm, key, value"),
        (b'{"do": "set", "arm": 2, "key": "drug.free_nM", "value": 1}', "arm = 2"),
        (b'{"do": "set", "arm": 1, "key": "drug.free_nM", "value": 1}', "no such arm"),
        (b'{"do": "set", "arm": true, "key": "drug.free_nM", "value": 1}', "arm = true"),
        (b'{"do": "set", "arm": 0, "key": "cells.count", "value": 1}', "cannot be changed"),
        (b'{"do": "set", "arm": 0, "key": "drug.free_nM", "value": NaN}', "finite number"),
        (b'{"do": "set", "arm": 0, "key": "drug.free_nM", "value": 1e999}', "finite number"),
        (b'{"do": "set", "arm": 0, "key": "drug.free_nM", "value": "1"}', "finite number"),
        (b'{"do": "set", "arm": 0, "key": "drug.free_nM", "value": -1}', "drug"),
        (b'{"do": "set", "arm": 0, "key": "ligands.VEGF.bath_ng_ml", "value": -1}', "VEGF"),
        (b'{"do": "speed", "value": 3}', "speed = 3"),
        (b'{"do": "pick", "arm": 0, "y": 1.5, "x": 0}', "y = 1.5"),
        (b'{"do": "choose", "cell": 9999}', "no cell 9999"),
        (b'{"do": "choose", "cell": 1e3}', "cell = 1000"),
        (b'{"do": "look", "cells": "x", "ground": "", "overlay": false}', "look"),
        (b'{"do": "look", "cells": "drive", "ground": "x", "overlay": false}', "look"),
        (b'{"do": "look", "cells": "drive", "ground": "", "overlay": 1}', "overlay = 1"),
        (b'{"do": "dose", "arm": 0, "amount_mg": 12}', "no body"),
        (b'{"do": "save", "arm": 1}', "no such arm"),
        (b'{"do": "frame", "frame": 0}', "no such command"),
    ],
)
def test_bad_commands_are_answered_with_a_sentence(small: Client, body: bytes, words: str) -> None:
    before = small.stage.models[0].state()
    status, headers, answer = small.ask("/do", "POST", body)
    assert status == 400 and headers["Content-Type"] == "application/json"
    assert words in json.loads(answer)["error"]
    after = small.stage.models[0].state()
    assert all(np.array_equal(after[name], before[name]) for name in before)
    assert small.do("step")[0] == 204  # it still works


def test_bad_requests_are_refused(small: Client) -> None:
    assert small.ask("/do", "POST", b"{}", Content_Type="text/plain")[0] == 415
    assert small.ask("/elsewhere", "POST", b"{}")[0] == 404
    assert small.ask("/do", "POST", b"", Content_Length="10000000")[0] == 413
    assert small.ask("/do", "POST", b"", Content_Length="-1")[0] == 413
    assert small.ask("/next?version=x&epoch=0&rows=0")[0] == 400
    assert small.ask("/next")[0] == 400


def test_a_port_in_use_is_reported(small: Client) -> None:
    with pytest.raises(InputError, match=f"--port {small.server.port}: .*choose another"):
        Server(small.stage, small.server.port)


# -- what is seen --------------------------------------------------------------------------------


def test_a_snapshot_is_json_and_a_picture(small: Client) -> None:
    head, pictures = small.next()
    assert head["step"] == 0 and head["rows_from"] == 0 and len(head["rows"]) == 1
    assert head["arms"] == [
        {
            "drug.free_nM": 0.0,
            "ligands.VEGF.bath_ng_ml": 50.0,
            "ligands.PDGF-BB.bath_ng_ml": 0.0,
            "ligands.FGF-2.bath_ng_ml": 0.0,
        }
    ]
    image = Image.open(io.BytesIO(pictures[0]))
    assert image.format == "PNG" and image.size == (200, 200)
    assert len(set(np.asarray(image).ravel().tolist())) > 2
    assert small.do("step")[0] == 204
    later, _ = small.next(head["version"], head["epoch"], 1)
    assert later["step"] == 1 and later["version"] > head["version"]
    assert later["rows_from"] == 1 and [row[0]["mcs"] for row in later["rows"]] == [1]
    assert later["applied"] == {"me": 1}


def test_a_poll_waits_for_the_next_picture(small: Client) -> None:
    head, _ = small.next()
    seen: list[Any] = []
    waiting = threading.Thread(target=lambda: seen.append(small.next(head["version"])[0]))
    waiting.start()
    time.sleep(0.05)
    assert not seen
    small.do("step")
    waiting.join(5)
    assert seen[0]["step"] == 1


def test_a_second_page_and_a_reload_see_the_same(small: Client) -> None:
    small.do("step")
    one, other = small.next(), small.next()
    assert one == other and len(one[0]["rows"]) == 2


def test_it_plays_at_a_speed_and_stops_at_the_end(small: Client) -> None:
    small.do("speed", value=20)
    small.do("play")
    began, version = time.monotonic(), 0
    while small.stage.models[0].mcs < 8 and time.monotonic() < began + 20:
        version = small.next(version)[0]["version"]
    small.do("pause")
    assert 8 <= small.stage.models[0].mcs <= 20 * (time.monotonic() - began) + 6
    head, _ = small.next()  # what is drawn and measured is of now
    assert head["rows"][-1][0]["mcs"] == head["step"] == small.stage.models[0].mcs
    small.do("speed", value=0)
    small.do("play")
    wait(lambda: not small.next()[0]["playing"])
    head, _ = small.next()
    assert head["ended"] and head["step"] == 120 and head["rows"][-1][0]["mcs"] == 120
    assert small.do("play") == (400, {"error": "this is the end"})
    assert "must be longer" in small.do("set", arm=0, key="drug.free_nM", value=1)[1]["error"]
    small.do("reset")
    head, _ = small.next()
    assert head["step"] == 0 and not head["ended"] and len(head["rows"]) == 1


def test_it_pauses_when_nobody_looks(small: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "IDLE_S", 0.2)
    small.do("speed", value=10)
    small.do("play")
    wait(lambda: not small.stage.playing)
    time.sleep(0.05)
    assert small.stage.models[0].mcs < 20
    head, _ = small.next()
    assert "nobody" in head["message"] and head["rows"][-1][0]["mcs"] == head["step"]


def test_an_error_in_a_step_pauses_and_is_reported(small: Client) -> None:
    def fail(steps: int) -> None:
        raise sim.errors.NumericalError("field VEGF is not finite")

    small.stage.models[0].advance = fail
    small.do("play")
    wait(lambda: not small.next()[0]["playing"])
    assert small.next()[0]["message"] == "field VEGF is not finite"
    for name, values in (
        ("step", {}), ("split", {}), ("save", {"arm": 0}),
        ("set", {"arm": 0, "key": "drug.free_nM", "value": 1}),
    ):  # fmt: skip
        assert small.do(name, **values) == (
            400, {"error": "a step has failed; reset to begin anew"}
        )  # fmt: skip
    assert small.do("reset")[0] == 204 and small.do("step")[0] == 204


def test_nobody_waits_for_a_thread_that_has_ended(
    small: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = small.next()[0]["version"]
    seen: list[int] = []
    poll = f"/next?version={version}&epoch=0&rows=0"
    waiting = threading.Thread(target=lambda: seen.append(small.ask(poll)[0]))
    waiting.start()
    monkeypatch.setattr(small.stage, "scenes", lambda: 1 / 0)
    for _ in range(2):
        status, told = small.do("step")
        assert status == 400 and "ZeroDivisionError" in told["error"]
    waiting.join(20)
    assert seen == [500]
    assert "start again" in json.loads(small.ask(poll)[2])["error"]


def test_the_newest_pages_have_their_commands_counted(small: Client) -> None:
    for name in ["first", *map(str, range(staging.PAGES - 1)), "first", "other"]:
        small.stage.ask({"do": "pause", "page": name, "number": 1})
    applied = small.next()[0]["applied"]
    assert len(applied) == staging.PAGES and {"first", "other"} <= applied.keys()
    assert "0" not in applied


def test_a_cell_is_picked_and_shows_its_receptors(small: Client) -> None:
    for _ in range(3):
        small.do("step")
    model = small.stage.models[0]
    y, x = np.argwhere(model.cell_id > 0)[0]
    cell = model.cell_at(y, x)
    assert small.do("pick", arm=0, y=(y + 0.5) / 50, x=(x + 0.5) / 50)[0] == 204
    head, marked = small.next()
    told = head["cells"][0]
    assert head["chosen"] == cell.unique_id and told["title"] == f"cell {cell.unique_id}"
    rows = dict(told["rows"])
    assert rows["type"] == "endothelial" and rows["area"] == f"{cell.area * 4} µm²"
    assert {"drive", "activity", "length", "centre"} <= rows.keys()
    assert [row[0] for row in told["receptors"]] == ["VEGFR2", "PDGFRB", "FGFR1"]
    assert told["receptors"][0][2] == round(cell.receptors["VEGFR2"]["bound"]) > 0
    y, x = np.argwhere(model.cell_id == 0)[0]
    small.do("pick", arm=0, y=(y + 0.5) / 50, x=(x + 0.5) / 50)
    head, plain = small.next()
    assert head["chosen"] is None and head["cells"] == [None] and plain != marked
    assert small.do("choose", cell=cell.unique_id)[0] == 204
    assert small.next()[1] == marked


@pytest.mark.parametrize("cells", ["drive", "activity", "cell", "outline"])
@pytest.mark.parametrize("ground", ["", "VEGF", "cue"])
@pytest.mark.parametrize("overlay", [False, True])
def test_every_look_is_drawn(small: Client, cells: str, ground: str, overlay: bool) -> None:
    small.do("step")
    assert small.do("look", cells=cells, ground=ground, overlay=overlay)[0] == 204
    head, pictures = small.next()
    assert head["look"] == [cells, ground, overlay]
    Image.open(io.BytesIO(pictures[0])).load()
    if ground:
        low, high = head["limits"]
        values = small.stage.models[0].fields[ground]
        assert low <= values.min() and values.max() <= high and low < high


@pytest.mark.parametrize("name", sorted(shipped()))
def test_every_scenario_has_what_the_page_needs(name: str) -> None:
    scenario = load(name)
    if not hasattr(scenario, "time"):
        return
    told = about(scenario)
    json.dumps([told, controls(scenario)], allow_nan=False, default=list)
    assert told["charts"] and told["name"] == scenario.name
    assert (told["clock"] == "d") == (not told["looks"])


def test_colours_mean_what_the_scale_says() -> None:
    ramp = Ramp("x", "viridis", (0.0, 2.0))
    assert ramp.shades([-1, 0, 1, 2, 3, np.nan], 3).tolist() == [0, 0, 1, 2, 2, 0]
    flow = Ramp("x", "flow", (10.0, 1000.0), logarithmic=True)
    assert flow.shades([0, 10, 100, 1000], 3).tolist() == [0, 0, 1, 2]
    labels = np.array([[0, 1], [0, 2]], np.int32)
    field = np.array([[0.0]])
    raster = paint_cells(
        labels, np.array([0, 5, 7]), special={"type 2": np.array([False, False, True])},
        hollow=False, ground=(ramp, field), chosen=0, overlay=None,
    )  # fmt: skip
    assert raster.shape == (8, 8)  # four pixels a site, the border on its side of each
    assert raster[1, 1] == 1 + 2 * 60 and raster[2, 6] == 1 + 5 and raster[6, 6] == NUMBER["type 2"]
    assert raster[2, 4] == 1 + 60 + 5 and GROUND_SHADES == 100


def test_limits_of_a_scale_are_round_and_stay() -> None:
    assert round_limits(0.13, 9.7, None) == (0.0, 10.0)
    assert round_limits(1.0, 8.0, (0.0, 10.0)) == (0.0, 10.0)
    assert round_limits(1.0, 11.0, (0.0, 10.0)) == (0.0, 12.0)
    low, high = round_limits(50.0, 50.0, None)
    assert low <= 50 <= high and high > low
    assert round_limits(np.nan, np.nan, None) == (0.0, 1.0)


# -- what is recorded and saved ------------------------------------------------------------------


def test_a_session_without_changes_has_the_bits_of_a_run(small: Client) -> None:
    small.do("look", cells="activity", ground="VEGF", overlay=True)
    small.do("play")
    version = 0
    while (head := small.next(version)[0])["playing"]:
        version = head["version"]
    alone = sim.AngiogenesisModel(load("tube_formation", SMALL, seed=3))
    alone.advance(120)
    assert small.stage.models[0].mcs == 120 and same(small.stage.models[0], alone)
    mine, other = (
        model.datacollector.get_model_vars_dataframe() for model in (small.stage.models[0], alone)
    )
    assert mine.equals(other)


def test_changes_are_recorded_and_a_saved_scenario_replays_them(
    small: Client, tmp_path: Path
) -> None:
    for key, value in (("drug.free_nM", 5.6), ("ligands.VEGF.bath_ng_ml", 10), ("drug.free_nM", 0)):
        for _ in range(4):
            small.do("step")
        assert small.do("set", arm=0, key=key, value=value)[0] == 204
        head, _ = small.next()
        assert head["arms"][0][key] == value and head["rows"][-1][0]["mcs"] == head["step"]
    column = "bath_VEGF"
    assert [row[0][column] for row in head["rows"]][-2:] == [10, 10]
    for _ in range(5):
        small.do("step")
    status, told = small.do("save", arm=0)
    path = tmp_path / "tube_formation-live.toml"
    assert status == 200 and told == {"saved": str(path)}
    saved = load(tomllib.loads(path.read_text(encoding="utf-8")))
    assert saved.seed == 3 and [medium.free_nM for medium in saved.drug.media] == [5.6, 0.0]
    again = sim.AngiogenesisModel(saved)
    again.advance(17)
    assert same(small.stage.models[0], again)
    text = path.read_text(encoding="utf-8")
    assert small.do("save", arm=0)[1] == {"saved": str(tmp_path / "tube_formation-live-2.toml")}
    assert path.read_text(encoding="utf-8") == text


def test_a_full_disk_leaves_no_part_of_a_scenario(
    small: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str, **_: Any) -> int:
        path.write_bytes(text[:100].encode())
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    status, told = small.do("save", arm=0)
    assert status == 400 and "no space left" in told["error"]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_reported(client: Callable[..., Client]) -> None:
    there = client(Session(load("tube_formation", SMALL), folder=Path("no/such/folder")))
    status, told = there.do("save", arm=0)
    assert status == 400 and "no such file" in told["error"]


def test_two_arms_are_the_same_until_one_is_changed(small: Client, tmp_path: Path) -> None:
    for _ in range(3):
        small.do("step")
    assert small.do("split")[0] == 204
    head, (one, other) = small.next()
    assert one == other and all(a == b for a, b in head["rows"]) and len(head["arms"]) == 2
    assert "two arms already" in small.do("split")[1]["error"]
    small.do("set", arm=1, key="drug.free_nM", value=1000)
    for _ in range(30):
        small.do("step")
    head, _ = small.next()
    assert [arm["drug.free_nM"] for arm in head["arms"]] == [0, 1000]
    first, second = head["rows"][-1]
    assert first["mcs"] == second["mcs"] == 33 and first["mean_drive"] > second["mean_drive"]
    small.do("save", arm=1)
    again = sim.AngiogenesisModel(load(str(tmp_path / "tube_formation-live.toml")))
    again.advance(33)
    assert same(small.stage.models[1], again) and not same(small.stage.models[0], again)
    assert small.do("reset")[0] == 204
    head, (one, other) = small.next()
    assert one == other and head["arms"][0] == head["arms"][1]
    assert small.do("join")[0] == 204
    head, pictures = small.next()
    assert len(pictures) == len(head["arms"]) == len(head["rows"][0]) == 1


def test_a_body_gets_an_extra_dose(client: Callable[..., Client], tmp_path: Path) -> None:
    bed = {"setup.start": "parent", "time.duration_h": 96, "drug.regimen.dose_mg": 8}
    there = client(Session(load("tumour_bed", bed), folder=tmp_path))
    assert there.stage.about["dose"] and there.stage.about["controls"] == []
    for _ in range(3):
        there.do("step")
    assert there.do("dose", arm=0, amount_mg=0)[0] == 400
    assert there.do("dose", arm=0, amount_mg=40)[0] == 204
    given = there.stage.models[0].scenario.drug.doses
    assert [(dose.at_h, dose.amount_mg) for dose in given][:4] == [
        (0, 8), (3, 40), (24, 8), (48, 8)
    ]  # fmt: skip
    for _ in range(5):
        there.do("step")
    there.do("save", arm=0)
    again = sim.model_of(load(str(tmp_path / "tumour_bed-live.toml")))
    again.advance(8)
    assert same(there.stage.models[0], again)
    bed = there.stage.models[0].bed
    x, y = (float(column[bed.pieces.a[5]]) / 2400 for column in (bed.nodes.x, bed.nodes.y))
    there.do("pick", arm=0, y=y, x=x)
    there.do("look", cells="flow", ground="vegf", overlay=False)
    head, _ = there.next()
    assert head["chosen"] is not None and dict(head["cells"][0]["rows"])["state"] == "living"


@pytest.mark.parametrize(
    ("settings", "keys"),
    [
        ({"drug.fraction_unbound_medium": 0.1, "drug.nominal_nM": 20}, ["drug.nominal_nM"]),
        ({"partner.name": "sunitinib"}, ["drug.free_nM", "partner.free_nM"]),
        (
            {"drug.residence_h": {"VEGFR2": 2.0}, "drug.free_nM": 1},
            ["drug.free_nM", "ligands.FGF-2.bath_ng_ml"],
        ),
    ],
)
@pytest.mark.filterwarnings("ignore::sim.errors.ScenarioWarning")
def test_every_slider_is_replayed(
    client: Callable[..., Client], tmp_path: Path, settings: Any, keys: list[str]
) -> None:
    there = client(Session(load("tube_formation", SMALL | settings), folder=tmp_path))
    there.do("step")
    for key in keys:
        assert there.do("set", arm=0, key=key, value=3.5)[0] == 204
        there.do("step")
        assert there.next()[0]["arms"][0][key] == 3.5
    _, told = there.do("save", arm=0)
    again = sim.AngiogenesisModel(load(told["saved"]))
    again.advance(1 + len(keys))
    assert same(there.stage.models[0], again)


@pytest.mark.filterwarnings("ignore::sim.errors.ScenarioWarning")
def test_changes_at_the_start_are_replayed(client: Callable[..., Client], tmp_path: Path) -> None:
    """Several of one slider, before the first step, of a drug that leaves slowly, too."""
    slow = {"drug.residence_h": {"VEGFR2": 2.0}, "drug.free_nM": 1}
    there = client(Session(load("tube_formation", SMALL | slow), folder=tmp_path))
    for key, value in (
        ("drug.free_nM", 7), ("ligands.PDGF-BB.bath_ng_ml", 7.5), ("drug.free_nM", 0),
        ("ligands.PDGF-BB.bath_ng_ml", 30), ("drug.free_nM", 2.5),
    ):  # fmt: skip
        assert there.do("set", arm=0, key=key, value=value)[0] == 204
    head, _ = there.next()
    assert head["arms"][0]["drug.free_nM"] == 2.5 and len(head["rows"]) == 1
    for _ in range(5):
        there.do("step")
    again = sim.AngiogenesisModel(load(there.do("save", arm=0)[1]["saved"]))
    again.advance(5)
    assert same(there.stage.models[0], again)


def test_a_gradient_that_is_held_has_no_slider() -> None:
    keys = [one["key"] for one in controls(load("chemotaxis"))]
    assert "ligands.VEGF.bath_ng_ml" not in keys and "ligands.FGF-2.bath_ng_ml" in keys


def test_no_dose_before_the_drug_starts(client: Callable[..., Client]) -> None:
    there = client(
        Session(load("tumour_bed", {"setup.start": "parent", "setup.drug_start_day": 1}))
    )
    assert "from time 0 on" in there.do("dose", arm=0, amount_mg=40)[1]["error"]


# -- finished runs -------------------------------------------------------------------------------


def test_a_run_is_played(client: Callable[..., Client], tmp_path: Path) -> None:
    recorded = SMALL | {"record.frames": True, "record.fields": True}
    sim.run("tube_formation", recorded, seed=3, out=tmp_path / "run")
    there = client(Player(Result.open(tmp_path / "run")))
    about = there.stage.about
    assert about["kind"] == "player" and about["times_h"] == [0, 0.25, 0.5, 0.75, 1.0]
    head, (first,) = there.next()
    assert head["frame"] == 0 and len(head["rows"]) == 5 and head["row"] == 0
    assert head["rows"][-1][0]["bath_VEGF"] == 50
    session = client(Session(load("tube_formation", SMALL, seed=3)))
    assert session.next()[1] == [first]
    assert there.do("frame", frame=4)[0] == 204
    there.do("look", cells="drive", ground="VEGF", overlay=False)
    head, _ = there.next()
    assert head["frame"] == 4 and head["time_h"] == 1 and head["row"] == 4 and head["ended"]
    assert there.do("choose", cell=1)[0] == 204
    assert dict(there.next()[0]["cells"][0]["rows"])["type"] == "endothelial"
    for name, values in (("frame", {"frame": 5}), ("step", {}), ("set", {}), ("save", {"arm": 0})):
        assert there.do(name, **values)[0] == 400
    there.do("speed", value=0)
    assert there.do("play")[0] == 204
    wait(lambda: not there.next()[0]["playing"])
    assert there.next()[0]["frame"] == 4
    there.do("reset")
    assert there.next()[1] != [first]  # the field is shown
    there.do("look", cells="drive", ground="", overlay=False)
    there.do("pick", arm=0, y=0.0, x=0.0)
    assert there.next()[1] == [first]


def test_runs_are_played_side_by_side(client: Callable[..., Client], tmp_path: Path) -> None:
    """At one time since the start; one without a frame then keeps the one before."""
    rarely = {"time.record_every_h": 0.5, "domain.size_um": [120, 100]}
    for name, more in (("one", {}), ("other", rarely)):
        sim.run("tube_formation", SMALL | more, seed=3, out=tmp_path / name)
    one, other = (Result.open(tmp_path / name) for name in ("one", "other"))
    there = client(Player(one, other))
    about = there.stage.about
    assert about["labels"] == ["one", "other"] and about["times_h"] == [0, 0.25, 0.5, 0.75, 1.0]
    assert [list(size) for size in about["sizes_um"]] == [[100, 100], [120, 100]]
    seen = []
    for frame in range(5):
        there.do("frame", frame=frame)
        head, pictures = there.next()
        assert len(pictures) == len(head["arms"]) == 2 and head["row"] == frame
        seen.append(pictures)
        row = head["rows"][frame]
        assert [arm["mcs"] for arm in row] == [30 * frame, 60 * (frame // 2)]
        assert [arm["time_h"] for arm in row] == [frame / 4] * 2
    assert len({left for left, _ in seen}) == 5 and len({right for _, right in seen}) == 3
    alone = client(Player(other))
    for frame in (0, 1, 2):
        alone.do("frame", frame=frame)
        assert alone.next()[1] == [seen[2 * frame][1]]
    there.do("look", cells="drive", ground="", overlay=True)  # what is measured, from a frame
    head, pictures = there.next()
    assert "skeleton" in head["marks"] and pictures[0] != seen[4][0]
    with pytest.raises(InputError, match="at most 4"):
        Player(*[one] * 5)


def test_only_runs_of_one_assay_are_side_by_side(tmp_path: Path) -> None:
    short = {"time.duration_h": 0.1, "time.record_every_h": 0.1}
    sim.run("tube_formation", SMALL | short, out=tmp_path / "tubes")
    sim.run("viability", short, out=tmp_path / "stained")
    with pytest.raises(InputError, match="only runs of one assay"):
        Player(Result.open(tmp_path / "tubes"), Result.open(tmp_path / "stained"))
    words = ["view", str(tmp_path / "tubes"), "tube_formation", "--no-browser"]
    found = CliRunner().invoke(app, words)
    assert found.exit_code == 2 and "only finished runs can be given together" in found.output


def test_a_damaged_frame_is_named_and_the_others_are_shown(
    client: Callable[..., Client], tmp_path: Path
) -> None:
    sim.run("tube_formation", SMALL, seed=3, out=tmp_path / "run")
    (tmp_path / "run" / "frames" / "000060.npz").write_bytes(b"damaged")
    there = client(Player(Result.open(tmp_path / "run")))
    status, told = there.do("frame", frame=2)
    assert status == 400 and "000060.npz" in told["error"]
    assert there.next()[0]["frame"] == 0
    there.do("speed", value=0)
    there.do("play")
    wait(lambda: not there.next()[0]["playing"])
    head, _ = there.next()
    assert head["frame"] == 1 and "000060.npz" in head["message"]
    assert there.do("frame", frame=3)[0] == 204 and there.next()[0]["frame"] == 3


def test_what_cannot_be_drawn_ends_nothing(small: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    small.do("choose", cell=1)
    monkeypatch.setattr(small.stage, "details", lambda *_: 1 / 0)
    small.do("step")
    head, _ = small.next()
    assert head["step"] == 1 and "ZeroDivisionError" in head["message"]
    assert small.do("step")[0] == 204 and small.next()[0]["step"] == 2


@pytest.mark.parametrize(
    "recorded",
    [{"record.frames": False}, slow({"record.fields": False})],
)
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("tube_formation", SMALL),
        ("tumour_bed", {"setup.start": "parent", "time.duration_h": 12, "time.record_every_h": 6}),
    ],
)
def test_a_run_without_fields_or_frames_is_shown(
    client: Callable[..., Client], tmp_path: Path, name: str, settings: Any, recorded: Any
) -> None:
    sim.run(name, settings | recorded, out=tmp_path / "run")
    there = client(Player(Result.open(tmp_path / "run")))
    frames = len(there.stage.about["times_h"])
    assert frames > 1 if recorded.get("record.frames", True) else frames == 1
    ground = "VEGF" if name == "tube_formation" else "vegf"
    looks = there.stage.about["looks"] or {"flow": ""}
    assert there.do("look", cells=next(iter(looks)), ground=ground, overlay=False)[0] == 204
    Image.open(io.BytesIO(there.next()[1][0])).load()


# -- the command ---------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_prints_its_address_and_leaves_quietly(tmp_path: Path, number: int) -> None:
    command = [sys.executable, "-c", "from sim.cli.main import main; main()", "view"]
    settings = [f"--set={key}={value}" for key, value in SMALL.items()]
    process = subprocess.Popen(
        [*command, "tube_formation", *settings, "--no-browser"], text=True, cwd=tmp_path,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    line = process.stdout.readline()
    port, token = re.findall(r"http://127\.0\.0\.1:(\d+)/\?token=(\S+)", line)[0]
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=120)
    connection.request("GET", "/next?version=0&epoch=0&rows=0", headers={"X-Token": token})
    assert connection.getresponse().status == 200
    process.send_signal(number)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 128 + number and "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


def test_wrong_input_ends_the_command(workplace: Path, angiosim: Any) -> None:
    Path("empty").mkdir()
    for words, expected in (
        (["view", "tube_fomation"], "tube_formation"),
        (["view", "empty"], "is not a run folder"),
        (["view", "empty", "--seed", "1"], "leave --seed and --set out"),
        (["view", "tube_formation", "--set", "cells.coun=3"], "did you mean 'count'"),
        (["view", "tube_formation", "--port", "70000"], "port"),
    ):
        done = angiosim(*words, "--no-browser")
        assert done.exit_code == 2 and expected in done.stderr, done.stderr
