"""Films: what files hold, frame by frame, what is on a frame, and what is refused."""

from __future__ import annotations

import io
import json
import os
import signal
import struct
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import sim
from sim.assays.chemotaxis.memory import before
from sim.cli.main import app
from sim.errors import InputError, PictureWarning
from sim.runs.result import Result
from sim.scenario.resolve import load
from sim.view.film import encode
from sim.view.film.drug import DrugClock
from sim.view.film.film import Options, film
from sim.view.film.sheet import Arm, Sheet
from sim.view.paint import CELL_RAMPS as RAMPS
from sim.view.paint import NUMBER, Overlay, paint_cells, palette, round_limits
from sim.view.scene import Look, overlay_of, overlay_of_frame, scene_of_frame

SMALL = {
    "domain.size_um": [120, 100],
    "cells.count": 8,
    "time.duration_h": 0.5,
    "time.record_every_h": 0.125,
    "record.fields": True,
}
PALETTE = palette(RAMPS["drive"], None)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("runs")
    media = [{"at_h": 0.0, "free_nM": 0.0}, {"at_h": 0.25, "free_nM": 10.0}]
    others = {
        "control": SMALL,
        "drug": SMALL | {"drug.exposure": "schedule", "drug.media": media},
        "blind": SMALL | {"record.frames": False},
        "plain": SMALL | {"record.fields": False},
    }
    for name, settings in others.items():
        sim.run("tube_formation", settings, out=root / name)
    return {name: root / name for name in others}


def noise(count: int, size: tuple[int, int] = (30, 22)) -> list[Any]:
    """Rasters that differ a little, and two that are the same."""
    rng = np.random.default_rng(1)
    found = [rng.integers(0, 250, size[::-1], np.uint8)]
    for k in range(1, count):
        raster = found[-1].copy()
        if k != 2:
            y, x = rng.integers(0, size[1] - 3), rng.integers(0, size[0] - 3)
            raster[y : y + 3, x : x + 3] = rng.integers(0, 250, (3, 3))
        found.append(raster)
    return found


def write(to: str, path: Path, rasters: list[Any], fps: int = 10) -> None:
    path.touch()
    height, width = rasters[0].shape
    writer = encode.encoder(to, path, (width, height), PALETTE, fps, {"Title": "µ", "Comment": "c"})
    for raster in rasters:
        writer.add(raster)
    writer.close()


# -- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", ["gif", "apng"])
def test_a_file_has_every_frame_as_it_was_drawn(to: str, tmp_path: Path) -> None:
    rasters = noise(6)
    write(to, path := tmp_path / f"x.{to}", rasters)
    colours = np.frombuffer(PALETTE, np.uint8).reshape(256, 3)
    with Image.open(path) as image:
        assert image.n_frames == 6 and image.info["loop"] == 0
        for k, raster in enumerate(rasters):
            image.seek(k)
            assert image.info["duration"] == (1100 if k == 5 else 100)  # the end stays
            assert (np.asarray(image.convert("RGB")) == colours[raster]).all()
    for name in ("a", "b"):  # the same frames give the same bytes
        write(to, tmp_path / f"{name}.{to}", rasters)
    assert (tmp_path / f"a.{to}").read_bytes() == (tmp_path / f"b.{to}").read_bytes()


def test_a_gif_has_one_palette_and_right_times(tmp_path: Path) -> None:
    write("gif", path := tmp_path / "x.gif", noise(31), fps=30)
    data, at, delays, locals_ = path.read_bytes(), 13 + 768, [], 0
    while data[at] != 0x3B:
        if data[at] == 0x21:
            if data[at + 1] == 0xF9:
                delays.append(struct.unpack_from("<H", data, at + 4)[0])
            at += 2
        else:
            locals_ += data[at + 9] & 0x80
            at += 11
        while data[at]:
            at += data[at] + 1
        at += 1
    assert locals_ == 0 and data[13 : 13 + 768] == PALETTE
    assert len(delays) == 31 and sum(delays) == 103 + 100


def test_mp4_has_every_frame(tmp_path: Path) -> None:
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    write("mp4", path := tmp_path / "x.mp4", noise(6, (64, 48)))
    frames = imageio_ffmpeg.read_frames(str(path))
    about = next(frames)
    assert about["size"] == (64, 48) and about["fps"] == 10 and len(list(frames)) == 6


def test_mp4_has_the_colours_that_players_expect(tmp_path: Path) -> None:
    """Those of BT.709, which the file says: an unmarked one is shown so only if it is large."""
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    raster = np.repeat(np.repeat(np.arange(240, dtype=np.uint8).reshape(12, 20), 16, 0), 16, 1)
    write("mp4", path := tmp_path / "a:b.mp4", [raster] * 3)
    exe = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path)]
    as_709 = ["-vf", "scale=in_color_matrix=bt709:in_range=tv", "-pix_fmt", "rgb24"]
    found = subprocess.run(
        [*exe, *as_709, "-f", "rawvideo", "-frames:v", "1", "-"], capture_output=True, check=True
    ).stdout
    seen = np.frombuffer(found, np.uint8).reshape(192, 320, 3)[8::16, 8::16].reshape(240, 3)
    drawn = np.frombuffer(PALETTE, np.uint8).reshape(256, 3)[:240]
    assert np.abs(seen.astype(int) - drawn).max() <= 4
    assert b"colrnclx\x00\x01\x00\x01\x00\x01" in path.read_bytes()


def test_an_encoder_that_dies_is_one_error(tmp_path: Path) -> None:
    pytest.importorskip("imageio_ffmpeg")
    (path := tmp_path / "x.mp4").touch()
    writer = encode.encoder("mp4", path, (320, 240), PALETTE, 10, {})
    writer._stream.gi_frame.f_locals["p"].kill()  # type: ignore[attr-defined]
    with pytest.raises(OSError, match="the encoder has failed"):
        for _ in range(20):
            writer.add(np.zeros((240, 320), np.uint8))
    writer.abandon()


@pytest.mark.parametrize("to", ["gif", "apng"])
def test_memory_does_not_grow_with_the_film(to: str, tmp_path: Path) -> None:
    (path := tmp_path / f"x.{to}").touch()
    writer = encode.encoder(to, path, (100, 80), PALETTE, 10, {})
    rasters = noise(10, (100, 80))
    for _ in range(20):
        writer.add(rasters[0])
    tracemalloc.start()
    for k in range(400):
        writer.add(rasters[k % 10])
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    writer.close()
    assert most < 400 * 100 * 80 / 4  # a quarter of the pixels; zlib itself takes 256 kB
    with Image.open(path) as image:
        assert image.n_frames == 420


@pytest.mark.slow
@pytest.mark.parametrize("to", ["gif", "apng", "mp4"])
def test_a_film_of_5000_frames(to: str, tmp_path: Path) -> None:
    if to == "mp4":
        pytest.importorskip("imageio_ffmpeg")
    rasters = noise(50, (400, 420))
    write(to, path := tmp_path / f"x.{to}", rasters * 100, fps=30)
    if to != "mp4":
        with Image.open(path) as image:
            assert image.n_frames == 5000


# -- what is on a frame --------------------------------------------------------------------------


def frames_of(path: Path) -> list[Any]:
    with Image.open(path) as image:
        found = []
        for k in range(image.n_frames):
            image.seek(k)
            found.append(np.asarray(image.convert("RGB")))
    return found


def test_arms_are_side_by_side_at_one_time(runs: dict[str, Path], tmp_path: Path) -> None:
    made = film([runs["control"], runs["drug"]], tmp_path / "x.gif", labels=["none", "10 nM"])
    frames = frames_of(made.path)
    assert made.frames == len(frames) == 5
    assert all(frame.shape[:2] == made.size_px[::-1] for frame in frames)
    assert not any(size % 2 for size in made.size_px)
    assert np.abs(frames[1].astype(int) - frames[0]).max() > 50


def test_nothing_covers_the_map(runs: dict[str, Path]) -> None:
    result = Result.open(runs["drug"])
    arm = Arm(result.scenario, "a label", "origin", (("lines", "skeleton"),))
    sheet = Sheet([arm], look := Look("drive", "VEGF"), (0.0, 0.5), 1, None, (40.0, 50.0))
    scene = scene_of_frame(result.scenario, result.seed, result.frames[30])
    raster = sheet.frame(0.25, [scene], (40.0, 50.0))
    panel = sheet._panels[0]
    map_of_it = scene.paint(look, (40.0, 50.0), scale=panel.scale).raster
    y, x = sheet._maps_y, panel.x
    assert (raster[y : y + panel.height, x : x + panel.width] == map_of_it).all()
    assert map_of_it.shape == (panel.height, panel.width)
    below = raster[y + panel.height + 2 :]
    assert (below == NUMBER["ink"]).any()  # words, scale and legend
    assert (raster < 255).all()


def test_the_drug_clock_is_that_of_the_run(runs: dict[str, Path]) -> None:
    result = Result.open(runs["drug"])
    clock = DrugClock(result.scenario)
    for row in result.timeseries.to_dict("records"):
        time_h = np.array([row["time_h"]])
        assert clock.free_nM(time_h)[0][0] == pytest.approx(row["free_nM"])
        for name, share in clock.inhibited(row["time_h"]).items():
            assert share == pytest.approx(row[f"inhibition_{name}"])
    words = clock.words(0.5)
    assert "anlotinib 10 nM unbound" in words and any("VEGFR2 64 %" in word for word in words)
    bed = DrugClock(load("tumour_bed"))
    assert bed.free_nM(np.array([-24.0, 200.0]))[0][0] == 0.0 and bed.given((0.0, 200.0))


def test_each_arm_has_its_own_drug_clock_and_end(tmp_path: Path) -> None:
    """Schedules that start at other times, and a run that ends before the others."""
    media = [{"at_h": 0.0, "free_nM": 0.0}, {"at_h": 0.4, "free_nM": 10.0}]
    base = SMALL | {"drug.exposure": "schedule", "drug.media": media}
    others = {"early": base, "late": base | {"time.start_h": 0.25, "time.duration_h": 0.375}}
    scenarios = {name: load("tube_formation", settings) for name, settings in others.items()}
    arms = [
        Arm(scenarios["early"], "early", "e", end_h=0.5),
        Arm(scenarios["late"], "late", "l", end_h=0.625),
    ]
    sheet = Sheet(arms, Look("drive"), (0.0, 0.5), 3)
    early, late = sheet._panels
    for since, *drug in ((0.125, "0", "0"), (0.25, "0", "10"), (0.5, "10", "10")):
        for panel, free in zip((early, late), drug, strict=True):
            assert f"anlotinib {free} nM unbound" in sheet._words(panel, since)
    assert "ended at 0.375 h" not in sheet._words(late, 0.375)
    assert "ended at 0.375 h" in sheet._words(late, 0.5)
    assert late.strips is not None and early.strips is not None
    quarters = [strip[:, k] for strip in (late.strips[0],) for k in (late.width // 4, -1)]
    assert (quarters[0] != NUMBER["white"]).any() and (quarters[1] == NUMBER["white"]).all()
    for name, settings in others.items():
        sim.run("tube_formation", settings, out=tmp_path / name)
    made = film([tmp_path / "early", tmp_path / "late"], tmp_path / "x.gif")
    assert made.frames == 5


def test_days_are_counted_from_the_start_where_drugs_begin_apart() -> None:
    ages = [{"setup.drug_start_day": 0.5}, {"setup.drug_start_day": 1.0}]
    arms = [Arm(load("tumour_bed", one), "a", "o") for one in ages]
    look, span_h = Look("flow", "oxygen"), (-12.0, 24.0)
    assert Sheet(arms[:1], look, span_h, 1)._time(12.0) == "day 0.5"
    assert Sheet(arms, look, span_h, 1)._time(12.0) == "1.0 days"


def test_a_film_is_not_too_high() -> None:
    arm = Arm(load("tube_formation", {"domain.size_um": [100, 1000], "cells.count": 5}), "a", "o")
    assert Sheet([arm], Look("drive"), (0.0, 1.0), 0, 600).size[1] < 8192
    with pytest.raises(InputError, match=r"width_px = 4096: .*choose a smaller width"):
        Sheet([arm], Look("drive"), (0.0, 1.0), 0, 4096)


@pytest.mark.parametrize("scale", [0.4, 1, 1.7, 4])
def test_cells_are_painted_at_any_scale(scale: float) -> None:
    labels = np.zeros((40, 60), np.int32)
    labels[10:30, 20:50] = 1
    raster = paint_cells(
        labels, np.array([0, 7]), special={}, hollow=False, ground=None, chosen=0, overlay=None,
        scale=scale,
    )  # fmt: skip
    assert raster.shape == (round(40 * scale), round(60 * scale))
    share = np.isin(raster, (8, 68)).mean()
    assert share == pytest.approx(0.25, abs=0.02) and (raster == 8).any()
    edge = raster[raster.shape[0] // 2] == 68  # darker where the cell begins
    assert edge.sum() in (1, 2)


def test_a_thin_line_leaves_a_cord_of_one_cell() -> None:
    labels = np.zeros((30, 60), np.int32)
    labels[13:18, 5:55] = 1  # 5 sites wide
    over = Overlay(labels.shape)
    places = np.stack([np.full(40, 15.0), np.arange(10.0, 50.0)], axis=1)
    over.lines(places, np.stack([np.arange(39), np.arange(1, 40)], axis=1), "skeleton")
    for scale in (1, 2, 4):
        raster = paint_cells(
            labels, np.array([0, 7]), special={}, hollow=False, ground=None, chosen=0,
            overlay=over, scale=scale,
        )  # fmt: skip
        column = raster[:, 30 * scale]
        line, cell = (column == NUMBER["ink"]).sum(), np.isin(column, (8, 68)).sum()
        assert 0 < line < cell
    assert Overlay(labels.shape, skeleton=False).marks() == {}


def test_a_scale_does_not_magnify_noise() -> None:
    low, high = round_limits(49.99, 50.0, None)
    assert high - low >= 0.05 * 50 and low < 49.99 < 50.0 < high


def test_what_an_assay_draws_is_as_it_was(tmp_path: Path) -> None:
    """Of an earlier frame, as the model itself had it drawn then."""
    settings = {"time.duration_h": 1.0, "time.record_every_h": 0.5}
    model = sim.model_of(sim.load("chemotaxis", settings))
    model.advance(model.scenario.time.steps // 2)
    then, arrays, mcs = overlay_of(model), model.frame(fields=False), model.mcs
    model.advance(model.scenario.time.steps - mcs)
    found = overlay_of_frame(model.scenario, mcs, arrays, model.final_arrays())
    assert then is not None and found is not None
    starts = [{k: p for w, p, k in one.drawn if w == "dots"} for one in (then, found)]
    assert (starts[0]["starts"] == starts[1]["starts"]).all()
    looks = {"looks": np.array([0, 5, 9]), "places": np.arange(12.0).reshape(3, 2, 2)}
    assert before(looks, 7)["place"].tolist() == [[4, 5], [6, 7]]


def test_tips_are_coloured_on_each_frame(tmp_path: Path) -> None:
    """Of frames of a finished run, as while it runs."""
    settings = {
        "cells.count": 20, "domain.size_um": [400, 400], "time.duration_h": 1.0,
        "time.record_every_h": 0.5, "setup.tips.rate_per_h": [50.0, 50.0],
        "setup.tips.least_delta": 0.0,
    }  # fmt: skip
    at_work = sim.Film(tmp_path / "x.gif")
    sim.run("sprouting", settings, out=tmp_path / "run", observers=[at_work])
    frames = Result.open(tmp_path / "run").frames
    assert all((frames[mcs]["assay.tip"] > 0).sum() > 0 for mcs in list(frames)[1:])
    film([tmp_path / "run"], tmp_path / "y.gif")
    assert (tmp_path / "x.gif").read_bytes() == (tmp_path / "y.gif").read_bytes()


# -- from the command line, and from a run -------------------------------------------------------


def test_the_command(runs: dict[str, Path]) -> None:
    runner = CliRunner()
    told = [runner.invoke(app, ["film", str(runs["drug"]), "--json"]) for _ in range(2)]
    found = [json.loads(one.stdout) for one in told]
    assert [Path(one["film"]).name for one in found] == ["film.gif", "film-2.gif"]
    assert found[0]["frames"] == 5 and found[0]["seconds"] == 0.5
    assert Path(found[0]["film"]).read_bytes() == Path(found[1]["film"]).read_bytes()
    out = runs["drug"] / "other.png"
    options = ["--field", "VEGF", "--cells", "outline", "--width-px", "321", "--fps", "5"]
    done = runner.invoke(app, ["film", str(runs["drug"]), "--out", str(out), *options, "--quiet"])
    assert done.exit_code == 0 and done.output == ""
    with Image.open(out) as image:
        assert image.n_frames == 5 and image.size[0] == 322 and image.info["duration"] == 200
        assert "scenario" in image.info["Comment"]
    Result.open(runs["drug"])  # is as it was


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["blind"], "record.frames = true"),
        (["plain", "--field", "VEGF"], "record.fields = true"),
        (["control", "--field", "x"], "field = 'x': must be one of cue, VEGF"),
        (["control", "--cells", "x"], "cells = 'x': must be one of drive"),
        (["control", "--fps", "51"], "fps = 51: must be from 1 to 50 for GIF"),
        (["control", "--width-px", "100"], "width_px = 100: must be from 240 to 4096"),
        (["control", "--out", "x.avi"], "x.avi: the file of a film must have the ending"),
        (["control", "--out", "x.gif", "--to", "mp4"], "must have the ending .mp4"),
        (["control", "--out", "nowhere/x.gif"], "nowhere: no such folder"),
        (["control", "--label", "a", "--label", "b"], "2 labels for 1 runs"),
        (["nothing"], "no such folder"),
    ],
)
def test_what_cannot_be_filmed_is_one_message(
    runs: dict[str, Path], words: list[str], wanted: str
) -> None:
    before = sorted(runs["control"].parent.rglob("*"))
    folder = str(runs.get(words[0], Path("nothing-here")))
    found = CliRunner().invoke(app, ["film", folder, *words[1:]])
    assert found.exit_code == 2 and wanted in found.output and "Traceback" not in found.output
    assert sorted(runs["control"].parent.rglob("*")) == before


def test_existing_films_are_never_overwritten(runs: dict[str, Path], tmp_path: Path) -> None:
    (path := tmp_path / "x.gif").write_text("mine")
    with pytest.raises(InputError, match="never overwritten"):
        film([runs["control"]], path)
    with pytest.raises(InputError, match="never overwritten"):
        sim.Film(path)
    late = tmp_path / "late.gif"

    def taken(done: int, total: int) -> None:
        late.write_text("mine")

    with pytest.raises(InputError, match="never overwritten"):
        film([runs["control"]], late, progress=taken)
    assert late.read_text() == path.read_text() == "mine" and len(list(tmp_path.iterdir())) == 2


def test_mp4_without_its_extra_names_it(
    runs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encode, "find_spec", lambda name: None)
    found = CliRunner().invoke(app, ["film", str(runs["control"]), "--to", "mp4"])
    assert found.exit_code == 2 and "pip install 'angiosim[film]'" in found.output
    assert found.output.count("\n") == 1


def test_a_film_that_is_cancelled_leaves_nothing(runs: dict[str, Path], tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    for ending in ("gif", "apng"):
        with pytest.raises(KeyboardInterrupt):
            film([runs["control"]], tmp_path / f"x.{ending}", progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_filmed_while_it_goes_on(tmp_path: Path) -> None:
    alone = sim.run("tube_formation", SMALL)
    seen = sim.Film(tmp_path / "x.gif", every_h=0.1, field="cue")
    filmed = sim.run("tube_formation", SMALL, observers=[seen, sim.Film(tmp_path / "y.apng")])
    for name, array in alone.final.items():
        assert array.tobytes() == filmed.final[name].tobytes(), name
    with Image.open(tmp_path / "x.gif") as image:
        assert image.n_frames == 6
    with Image.open(tmp_path / "y.apng") as image:
        assert image.n_frames == 5
    assert len(list(tmp_path.iterdir())) == 2


def test_a_film_is_of_one_run(tmp_path: Path) -> None:
    short = SMALL | {"time.duration_h": 0.125}
    sim.run("tube_formation", short, observers=[seen := sim.Film(tmp_path / "x.gif")])
    content = (tmp_path / "x.gif").read_bytes()
    with pytest.raises(InputError, match="the film of another run"):
        sim.run("tube_formation", short, observers=[seen])
    assert (tmp_path / "x.gif").read_bytes() == content


def test_a_film_that_goes_on_is_that_of_the_frames(runs: dict[str, Path], tmp_path: Path) -> None:
    sim.run("tube_formation", SMALL, observers=[sim.Film(tmp_path / "x.gif")])
    film([runs["control"]], tmp_path / "y.gif", Options(width_px=None))
    one, other = frames_of(tmp_path / "x.gif"), frames_of(tmp_path / "y.gif")
    assert len(one) == len(other) and all((a == b).all() for a, b in zip(one, other, strict=True))


def test_a_run_survives_a_film_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Any, raster: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(encode.Gif, "add", full)
    with pytest.warns(PictureWarning, match=r"x\.gif could not be written: no space left"):
        result = sim.run("tube_formation", SMALL, observers=[sim.Film(tmp_path / "x.gif")])
    assert result.summary["time_h"] == 0.5 and list(tmp_path.iterdir()) == []


def test_a_stopped_run_has_its_film_so_far_and_goes_on_with_another(tmp_path: Path) -> None:
    class Stop:
        def next_mcs(self, mcs: int) -> int | None:
            return 40 if mcs < 40 else None

        def look(self, model: Any) -> None:
            raise sim.errors.Interrupted(signal.SIGINT)

        def close(self) -> None: ...

    with pytest.raises(KeyboardInterrupt):
        sim.run("tube_formation", SMALL, out=tmp_path / "run",
                observers=[sim.Film(tmp_path / "x.gif"), Stop()])  # fmt: skip
    with Image.open(tmp_path / "x.gif") as image:
        assert image.n_frames == 3  # steps 0, 15, 30
    sim.run("tube_formation", SMALL, out=tmp_path / "run", resume=True,
            observers=[sim.Film(tmp_path / "x-2.gif")])  # fmt: skip
    with Image.open(tmp_path / "x-2.gif") as image:
        assert image.n_frames == 3  # steps 40, 45, 60
    with Image.open(film([tmp_path / "run"]).path) as image:
        assert image.n_frames == 5


def test_ctrl_c_leaves_no_film(runs: dict[str, Path], tmp_path: Path) -> None:
    code = (
        "import sim.view.film.film as f, time\n"
        "add = f.Writer.add\n"
        "def slow(self, raster):\n"
        "    add(self, raster); print('frame', flush=True); time.sleep(0.5)\n"
        "f.Writer.add = slow\n"
        "from sim.cli.main import main; main()"
    )
    out = tmp_path / "x.gif"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "film", str(runs["control"]), "--out", str(out)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "frame\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []


def test_the_first_look_refuses_a_field_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="field = 'x': must be one of"):
        sim.run("tube_formation", SMALL, observers=[sim.Film(tmp_path / "x.gif", field="x")])
    assert list(tmp_path.iterdir()) == []
    for wrong in ({"every_h": 0}, {"fps": 0}, {"fps": True}, {"width_px": 1.5}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            sim.Film(tmp_path / "x.gif", **wrong)  # type: ignore[arg-type]


def test_vessels_are_filmed(tmp_path: Path) -> None:
    settings = {"time.duration_h": 3, "time.record_every_h": 1}
    sim.run("tumour_bed", settings, out=tmp_path / "bed")
    made = film([tmp_path / "bed"], options=Options(width_px=300))
    frames = frames_of(made.path)
    assert made.frames == 4 and made.size_px[0] == 300 and frames[0].std() > 10
    with pytest.raises(InputError, match="shows no cells"):
        film([tmp_path / "bed"], options=Options(cells="drive"))
    buffer = io.BytesIO()
    Image.fromarray(frames[0]).save(buffer, "png")
    assert buffer.tell() > 1000
