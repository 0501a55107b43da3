"""Cells as a label picture has them: read, kept, laid, refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import sim
from sim.errors import InputError
from sim.labels import read_labels, write_npy, write_piff, write_png
from sim.scenario.image import largest_parts, sites_of
from sim.scenario.writing import dump, scenario_hash, structure_of
from sim.view.export.export import export

SIDE_UM = 100
SHORT = {"time.duration_h": 2 / 120, "time.record_every_h": 1 / 120, "record.frames": True}
Sites = NDArray[np.int32]


def picture(px: int = 50) -> Sites:
    """Three cells on px x px pixels; the second touches two others."""
    sites = np.zeros((px, px), np.int32)
    n = px // 10
    sites[n : 3 * n, n : 4 * n] = 4
    sites[3 * n : 5 * n, n : 4 * n] = 7
    sites[6 * n : 9 * n, 5 * n : 8 * n] = 9
    return sites


def settings(name: str, **more: Any) -> dict[str, Any]:
    return {
        "domain.size_um": [SIDE_UM, SIDE_UM],
        "cells.seeding": "image",
        "cells.image": name,
        **SHORT,
        **{key.replace("__", "."): value for key, value in more.items()},
    }


@pytest.fixture
def npy(workplace: Path) -> str:
    write_npy(workplace / "cells.npy", picture())
    return "cells.npy"


def load(name: str, assay: str = "tube_formation", **more: Any) -> Any:
    return sim.load(assay, settings(name, **more))


# --- formats ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["npy", "png", "tif", "tif32", "series.tif", "piff"])
def test_every_format_gives_the_same_cells(kind: str, workplace: Path) -> None:
    sites, name = picture(), f"cells.{kind.removesuffix('32')}"
    path = workplace / name
    if kind == "npy":
        write_npy(path, sites)
    elif kind == "png":
        write_png(path, sites, 2.0)
    elif kind == "piff":
        write_piff(path, sites, dict.fromkeys((4, 7, 9), "endothelial"))
    elif kind == "series.tif":
        pages = [Image.fromarray(page.astype(np.uint16)) for page in (0 * sites + 1, sites)]
        pages[0].save(path, save_all=True, append_images=pages[1:])
    else:
        Image.fromarray(sites.astype(np.int32 if kind == "tif32" else np.uint16)).save(path)
    scenario = load(name)
    assert (scenario.cells.count, scenario.cells.density_per_mm2) == (3, None)
    model = sim.AngiogenesisModel(scenario, rng=1)
    expected = np.searchsorted([0, 4, 7, 9], sites)
    assert np.array_equal(model.cell_id, expected)
    assert len(model.agents) == 3


def test_exports_are_read_back_to_the_same_bits(workplace: Path) -> None:
    pytest.importorskip("tifffile")
    small = {"domain.size_um": [160, 160], "cells.count": 12, **SHORT}
    result = sim.run("tube_formation", small, out="run")
    export(Path("run"), ["labels", "piff", "tiff"], None)
    for name in (
        "labels/cell_id_000002.npy",
        "labels/cell_id_000002.png",
        "piff/cells_000002.piff",
        "tiff/cell_id.ome.tif",
    ):
        scenario = load(f"run/export/{name}", domain__size_um=[160, 160])
        model = sim.AngiogenesisModel(scenario, rng=1)
        assert np.array_equal(model.cell_id, result.final["cell_id"]), name


def test_a_piff_has_the_types_of_cells(workplace: Path) -> None:
    write_piff(workplace / "c.piff", picture(), {4: "endothelial", 7: "tumour", 9: "tumour"})
    kind = {
        "count": 2,
        "contact_energy": dict.fromkeys(("medium", "wall", "endothelial", "tumour"), 10.0),
        "area": {"lambda": 1.0, "target_sites": 60},
    }
    scenario = load("c.piff", types__tumour=kind)
    assert scenario.cells.count == 1
    model = sim.AngiogenesisModel(scenario, rng=1)
    assert model.cells["type"][1:4].tolist() == [1, 2, 2]
    with pytest.raises(InputError, match=r"types.tumour.count = 5: must be 2, as in the picture"):
        load("c.piff", types__tumour=kind | {"count": 5})
    with pytest.raises(InputError, match="has cells of type 'tumour'; must be 'endothelial'"):
        load("c.piff")
    write_npy(workplace / "c.npy", picture())
    with pytest.raises(InputError, match=r"must be 0, as in the picture .only a PIFF says"):
        load("c.npy", types__tumour=kind)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.npy", None, "there is no such file"),
        ("../out.npy", None, "must be a file in or below"),
        ("cells.bmp", b"", "must be a label picture: .npy, .tif"),
        ("cells.npy", b"no picture", "not a label picture"),
        ("cells.tif", b"II*\0no picture", "not a label picture"),
        ("cells.npy", np.zeros((50, 50), np.int32), "has no cell: all labels are 0"),
        ("cells.npy", picture() * 1.0, "numbers of type float64; labels are whole numbers"),
        ("cells.npy", -picture(), "has labels below 0"),
        ("cells.npy", np.array([1, 2]), "has 1 dimensions; must have two"),
        ("cells.npy", np.array([{}], dtype=object), "numbers of type object"),
        (
            "cells.png",
            Image.new("RGB", (50, 50), "red"),
            "has colours; labels are one whole number",
        ),
        ("cells.tif", Image.new("F", (50, 50)), "has fractions .32-bit floats"),
        ("cells.npy", picture() > 0, "this is a mask: label its cells first"),
        ("cells.piff", b"1 endothelial 0 5 0 5\n1 2\n", "line 2: must be id, type, x1"),
        ("cells.piff", b"1 endothelial 5 0 0 5 0 0\n", "x1 and y1 must not be above"),
        ("cells.piff", b"1 endothelial 0 5 0 5 0 3\n", "this is no flat tissue"),
        ("cells.piff", b"0 endothelial 0 5 0 5 0 0\n", "cells are numbered from 1"),
        ("cells.piff", b"1 a 0 5 0 5 0 0\n1 b 0 5 6 7 0 0\n", "cell 1 was of type a before"),
        ("cells.piff", b"1 a 0 99999999 0 99999999 0 0\n", "must have at most 100,000,000"),
        ("cells.piff", b"0 Medium 0 5 0 5 0 0\n", "has no cell"),
    ],
)
def test_what_is_no_label_picture_is_refused(
    name: str, content: Any, message: str, workplace: Path
) -> None:
    path = workplace / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, np.ndarray):
        np.save(path, content, allow_pickle=True)
    elif content is not None:
        content.save(path)
    with pytest.raises(InputError, match=message) as caught:
        load(name)
    assert "cells.image" in str(caught.value)
    assert "problems" not in str(caught.value), "one error, and what follows from it is not listed"


def test_a_huge_header_is_refused_before_it_is_read(workplace: Path) -> None:
    with (workplace / "huge.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<i4", "fortran_order": False, "shape": (100_000, 100_000)}
        )
    with pytest.raises(InputError, match="100,000 x 100,000 pixels; must have at most"):
        read_labels(workplace / "huge.npy")


# --- size and parts --------------------------------------------------------------------------


@pytest.mark.parametrize(("px", "um_per_px"), [(100, 1.0), (50, 2.0), (20, 5.0)])
def test_each_site_takes_the_pixel_that_its_middle_is_in(
    px: int, um_per_px: float, workplace: Path
) -> None:
    write_npy(workplace / "p.npy", picture(px))
    sites, lost = sites_of(load("p.npy", cells__um_per_px=um_per_px))
    assert lost == 0
    for y in range(0, 50, 7):
        for x in range(50):
            label = picture(px)[int((y + 0.5) * 2 / um_per_px), int((x + 0.5) * 2 / um_per_px)]
            assert sites[y, x] == [0, 4, 7, 9].index(label)


def test_the_picture_must_be_as_large_as_the_domain(npy: str, workplace: Path) -> None:
    said = r"50 px of 2 um, 100 x 100 um; the domain is 200 x 100 um .set domain.size_um = .100, 10"
    with pytest.raises(InputError, match=said):
        load(npy, domain__size_um=[200, 100])
    with pytest.raises(InputError, match=r"50 x 50 px of 0.5 um, 25 x 25 um"):
        load(npy, cells__um_per_px=0.5)
    write_piff(workplace / "p.piff", picture(), dict.fromkeys((4, 7, 9), "endothelial"))
    assert sites_of(load("p.piff", domain__size_um=[200, 140]))[0].max() == 3  # a PIFF is open
    with pytest.raises(InputError, match=r"has cells up to 80 x 90 um, outside the domain of 60"):
        load("p.piff", domain__size_um=[60, 100])


def test_of_a_cell_in_parts_the_largest_is_laid_and_that_is_said(workplace: Path) -> None:
    sites = picture()
    sites[45:48, 45:49] = 4  # 12 sites apart from 150
    sites[10:12, 30:33] = 0
    sites[25, 20] = 7  # touches its cell at a corner
    write_npy(workplace / "p.npy", sites)
    with pytest.warns(sim.ScenarioWarning, match="several parts; of each the largest is taken, "
                      "without 12 sites"):  # fmt: skip
        scenario = load("p.npy")
    laid, lost = sites_of(scenario)
    assert lost == 12 and not laid[45:48, 45:49].any() and laid[25, 20] == 2
    torus = picture(80)
    torus[:3, 70:75] = 5
    torus[-3:, 70:75] = 5  # one part over a periodic border
    write_npy(workplace / "t.npy", torus)
    over: dict[str, Any] = {"domain__size_um": [160, 160], "domain__boundary": "periodic"}
    assert sites_of(load("t.npy", **over))[1] == 0


@pytest.mark.parametrize("periodic", [False, True])
def test_parts_are_those_of_a_flood(periodic: bool, workplace: Path) -> None:
    """Blocks of few labels on a coarse grid: parts that touch in every way."""
    rng = np.random.default_rng(4)
    sites = np.kron(rng.integers(0, 5, (16, 16)), np.ones((5, 5), int)).astype(np.int32)
    sites[rng.random(sites.shape) < 0.15] = 0
    kept = np.zeros_like(sites)
    for label in range(1, 5):
        left, parts = {(int(y), int(x)) for y, x in np.argwhere(sites == label)}, []
        while left:
            part, edge = set(), [min(left)]
            left.discard(edge[0])
            while edge:
                y, x = edge.pop()
                part.add((y, x))
                for dy, dx in np.ndindex(3, 3):
                    near = y + dy - 1, x + dx - 1
                    near = (near[0] % 80, near[1] % 80) if periodic else near
                    if near in left:
                        left.discard(near)
                        edge.append(near)
            parts.append(part)
        for y, x in max(parts, key=len):
            kept[y, x] = label
    found, lost = largest_parts(sites, periodic=periodic)
    assert np.array_equal(found, kept)
    assert lost == (sites > 0).sum() - (kept > 0).sum() > 0


def test_masks_and_micrographs_are_refused(workplace: Path) -> None:
    mask = np.zeros((50, 50), np.int32)
    for corner in range(5, 45, 10):
        mask[corner : corner + 6, corner : corner + 6] = 255
    grey = np.random.default_rng(1).integers(1, 200, (50, 50))
    for sites in (mask, grey):
        write_npy(workplace / "p.npy", sites)
        with pytest.raises(InputError, match=r"no label picture: most of its labels lie in scatt"):
            load("p.npy")


def test_cells_that_are_too_small_are_named(workplace: Path) -> None:
    sites = picture()
    sites[45, 5:10] = 12
    sites[48, 5:8] = 20
    write_npy(workplace / "p.npy", sites)
    with pytest.raises(InputError, match=r"by label \(sites\): 12 \(5\), 20 \(3\) "):
        load("p.npy")


# --- keys ------------------------------------------------------------------------------------


def test_keys_that_contradict_a_picture_are_refused(npy: str) -> None:
    for more, message in (
        ({"cells__density_per_mm2": 500}, "density_per_mm2 = 500: must not be given with seeding"),
        ({"cells__count": 5}, "cells.count = 5: must be 3, as in the picture"),
        ({"cells__seeding": "random"}, "cells.image = 'cells.npy': must not be given while"),
        ({"cells__um_per_px": -1}, "cells.um_per_px = -1"),
        ({"setup__region_um": [50, 50]}, "region_um = .*must not be given with cells.seeding"),
    ):
        with pytest.raises(InputError, match=message):
            load(npy, **more)
    with pytest.raises(InputError, match=r"cells.image: must be the file of a label picture"):
        sim.load("tube_formation", {"cells.seeding": "image"})
    for assay in ("viability", "chemotaxis"):
        scenario = sim.load(assay, {"domain.size_um": [100, 100], "cells.seeding": "image",
                                    "cells.image": npy})  # fmt: skip
        assert sim.model_of(scenario, rng=1).cell_id.max() == 3


def test_the_content_is_kept_and_decides_the_hash(npy: str, workplace: Path) -> None:
    scenario = load(npy)
    (workplace / "there").mkdir()
    (workplace / "there" / "s.toml").write_text(dump(scenario))
    assert sim.load("there/s.toml") == scenario  # without the picture
    shutil.move(npy, "other.npy")
    renamed = load("other.npy")
    assert scenario_hash(renamed) == scenario_hash(scenario)
    changed = picture()
    changed[45:48, 40:44] = 11
    write_npy(workplace / "other.npy", changed)
    assert scenario_hash(load("other.npy")) != scenario_hash(scenario)
    assert structure_of(load("other.npy")) != structure_of(scenario)
    again: Any = sim.load(scenario, {"cells.image": "other.npy"})
    assert again.cells.count == 4
    text = dump(scenario)
    sha = scenario.resolved.image.sha256
    (workplace / "there" / "s.toml").write_text(text.replace(sha, "0" * 64))
    with pytest.raises(InputError, match="labels and sha256 do not agree"):
        sim.load("there/s.toml")


def test_runs_repeat_and_resume_without_the_picture(npy: str, workplace: Path) -> None:
    whole = sim.run("tube_formation", settings(npy), out="whole")
    shutil.copy(npy, "moved.npy")
    Path(npy).unlink()
    again = sim.run(Path("whole") / "scenario.toml")
    assert np.array_equal(again.final["cell_id"], whole.final["cell_id"])
    shutil.move("moved.npy", npy)
    longer = sim.run("tube_formation", settings(npy, time__duration_h=4 / 120), out="whole",
                     resume=True)  # fmt: skip
    straight = sim.run("tube_formation", settings(npy, time__duration_h=4 / 120))
    assert np.array_equal(longer.final["cell_id"], straight.final["cell_id"])


@pytest.mark.slow
def test_studies_vary_the_picture(npy: str, workplace: Path) -> None:
    write_npy(workplace / "two.npy", np.where(picture() == 9, 0, picture()))
    study = sim.sweep(
        {
            "base": "tube_formation",
            "set": {key: value for key, value in settings(npy).items() if key != "cells.image"},
            "grid": {"cells.image": [npy, "two.npy"]},
        },
        workers=1,
    )
    assert sorted(study.results["cells"]) == [2, 3]


def test_a_file_extends_one_with_a_picture_below_it(workplace: Path, angiosim: Any) -> None:
    (workplace / "base").mkdir()
    write_npy(workplace / "base" / "cells.npy", picture())
    lines = '[cells]\nseeding = "image"\nimage = "cells.npy"\num_per_px = 2\n[domain]\n'
    (workplace / "base" / "base.toml").write_text(
        f'extends = "tube_formation"\nname = "b"\n{lines}size_um = [100, 100]\n'
    )
    (workplace / "mine.toml").write_text('extends = "base/base.toml"\nname = "m"\n')
    done = angiosim("validate", "mine.toml")
    assert done.exit_code == 0, done.stderr
    found: Any = sim.load("mine.toml")
    assert found.cells.count == 3
