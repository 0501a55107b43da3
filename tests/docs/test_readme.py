"""The documentation names only what exists, and its examples run as written."""

from __future__ import annotations

import inspect
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
import pytest
import typer
from typer.testing import CliRunner

import sim
import sim.api
from sim.assays import assay
from sim.calibration.file import plan_calibration
from sim.cli.main import app
from sim.design.file import plan_design
from sim.scenario import keys
from sim.scenario import resolve as loading
from sim.scenario.resolve import load
from sim.scenario.settings import parse_settings
from sim.scenario.shipped import shipped
from sim.studies.file import plan_study

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    ROOT / "benchmarks" / "README.md",
    *sorted(page for page in (ROOT / "docs").rglob("*.md") if "_build" not in page.parts),
]
SMALL = {"domain.size_um": [200, 200], "time.duration_h": 0.05, "time.record_every_h": 0.025}

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def blocks(page: Path, language: str) -> list[str]:
    """Return the fenced blocks of a language in a page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)


def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def cells(page: Path, magic: str) -> list[str]:
    """Return the cells of a notebook that begin with a magic, without it."""
    code = blocks(page, r"\{code-cell\} ipython3")
    return [cell.partition("\n")[2] for cell in code if re.match(f"%%{magic}", cell)]


def commands(page: Path) -> Iterator[list[str]]:
    """Yield the words of each call of angiosim in the console blocks and the code of a page."""
    scripts = [*blocks(page, "console"), *cells(page, "bash")]
    lines = [line for script in scripts for line in script.replace("\\\n", " ").splitlines()]
    lines += re.findall(r"`(angiosim [^`]*)`", prose(page))
    for line in filter(re.compile(r"\bangiosim ").search, lines):
        for part in re.split(r"&&|\||2>&1", line):
            words = shlex.split(part, comments=True)
            if words and words[0] == "angiosim":
                yield words[1:]


@cache
def whole_command() -> Any:
    """The command line, made once."""
    return typer.main.get_command(app)


def left_over(command: str, words: list[str]) -> list[str]:
    """Return the words that a command does not take."""
    found = whole_command().commands[command]
    while words and hasattr(found, "commands"):
        found, words = found.commands[words[0]], words[1:]
    context = found.make_context(
        command, list(words), allow_extra_args=True, resilient_parsing=True
    )
    return [] if hasattr(found, "commands") else list(context.args)


def need_extras(page: Path) -> None:
    """Skip a page whose examples need what is not installed."""
    for library in {"sensitivity": ["SALib"], "export": ["xarray", "zarr"]}.get(page.stem, []):
        pytest.importorskip(library)


def load_small(source: Any, overrides: Any = None, seed: int | None = None) -> Any:
    return load(source, {**SMALL, **(overrides or {})}, seed)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every scenario be small and short."""
    monkeypatch.setattr(loading, "load", load_small)
    matplotlib.use("Agg")


@pytest.fixture(scope="module")
def options() -> dict[str, set[str]]:
    """The options of every command, from its help; "" stands for angiosim itself."""
    texts = {"": CliRunner().invoke(app, ["--help"]).stdout}
    names = re.findall(r"^  ([\w-]+) ", texts[""].partition("Commands:")[2], re.MULTILINE)
    texts |= {name: CliRunner().invoke(app, [name, "--help"]).stdout for name in names}
    assert len(texts) > 4
    return {
        name: set(re.findall(r"(?<!\w)-{1,2}[a-z][a-z-]*", text)) for name, text in texts.items()
    }


def test_the_two_commands_are_on_the_first_screen() -> None:
    first = "\n".join(README.read_text().splitlines()[:24])
    for command in ("pip install . && angiosim run scenarios/tube_formation.toml",
                    "pip install '.[test]' && pytest"):  # fmt: skip
        line = f"python3 -m venv .venv && . .venv/bin/activate && {command}"
        assert f"\n{line}\n" in first
    assert "](docs/images/network.png)" in first


@pytest.mark.usefixtures("small")
@pages
def test_python_runs_as_written(page: Path, workplace: Path) -> None:
    need_extras(page)
    if page.name == "CONTRIBUTING.md":
        pytest.skip("its recipe is followed in unit/test_assays.py")
    examples = blocks(page, "python")
    if any("runs/tube_formation-s1" in block for block in examples):
        sim.run("tube_formation", out="runs/tube_formation-s1")
    names: dict[str, Any] = {}
    for block in examples:
        exec(compile(block, page.name, "exec"), names)
    if page == README:
        assert (workplace / "network.png").stat().st_size > 10_000
        assert names["result"].summary["cells"] == 22


@pages
def test_toml_is_valid(page: Path) -> None:
    import tomllib

    for block in [*blocks(page, "toml"), *cells(page, r"writefile \w+.toml")]:
        tree = tomllib.loads(block)
        if "vary" in tree:
            assert plan_design(tree).targets
        elif "format" in tree or "extends" in tree:
            assert load(tree).name == tree["name"]
        elif "parameters" in tree:
            assert plan_calibration(tree).targets
        elif "base" in tree:
            assert plan_study(tree).runs


@pages
def test_commands_and_options_exist(page: Path, options: dict[str, set[str]]) -> None:
    for words in commands(page):
        command = words[0] if words and not words[0].startswith("-") else ""
        assert command in options, words
        given = {word.partition("=")[0] for word in words if word.startswith("-")}
        assert given <= options[command], words
        if command:
            assert not left_over(command, words[1:]), words
    everywhere = set().union(*options.values())
    for span in re.findall(r"`(--?[a-z][^`]*)`", prose(page)):
        assert span.split()[0].partition("=")[0] in everywhere | {"--help"}, span


@pages
def test_scenarios_and_settings_exist(page: Path, tmp_path: Path) -> None:
    for words in commands(page):
        if words[:1] not in (["run"], ["pk"]) or len(words) < 2:
            continue
        name = words[1]
        if name.startswith(("my_", "FOLDER/")) or name == "FILE":
            continue
        if name == "--from":  # a run that another command of the page has made
            settings = [words[i + 1].partition("=")[0] for i, w in enumerate(words) if w == "--set"]
            assert all(keys.find(key.split(".")) is not None for key in settings), words
            continue
        source = ROOT / name if name.endswith(".toml") else name
        settings = [words[i + 1] for i, word in enumerate(words) if word == "--set"]
        scenario = load(source, parse_settings(settings))
        if words[0] == "pk":
            assert scenario.drug is not None and scenario.drug.exposure == "pk", words
    named = r"`((?:reference/|tube_formation|human_|rat_|dog_)[\w/]*)`"
    for name in re.findall(named, page.read_text()):
        assert name in shipped() or name == "tube_formation", name
    for key in re.findall(r"`--set ([\w.-]+)=", page.read_text()):
        assert key == "KEY" or keys.find(key.split(".")) is not None, key


def test_all_shipped_scenarios_are_in_the_readme() -> None:
    text = README.read_text()
    for name in shipped():
        assert f"`{name}`" in text, name


@pages
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        if anchor:
            text = file.read_text()
            for included in re.findall(r"^```{include} (\S+)", text, re.MULTILINE):
                text += (file.parent / included).read_text()
            titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", t.lower()).replace(" ", "-") for t in titles}
            assert anchor in slugs, target


def test_keys_in_the_pages_exist() -> None:
    tables = {path[0] for path in keys.leaves() if len(path) > 1}
    known = {keys.dotted(path) for path in keys.leaves()}
    for page in PAGES:
        for span in re.findall(r"`([a-z]+(?:\.[\w*-]+)+)`", page.read_text()):
            parts = span.split(".")
            if parts[0] in tables and parts[-1] not in ("py", "md", "toml", "json", "png"):
                found = keys.find(parts) is not None or span in known
                assert found, f"{span} in {page.name}"


def test_every_table_and_key_is_in_the_page_of_scenarios() -> None:
    text = (ROOT / "docs" / "scenarios.md").read_text()
    for path in keys.leaves():
        named = [part for part in path if part != "*"]
        assert re.search(rf"\b{re.escape(named[-1])}\b", text), path
        assert f"`[{named[0]}" in text or len(path) == 1, path


def test_every_key_has_a_description() -> None:
    for path in keys.leaves():
        while path[-1] == "*":  # the names below a table are explained by the table
            path = path[:-1]
        assert (keys.find(path) or {}).get("description"), keys.dotted(path)


def test_files_and_columns_of_a_run_are_documented(small: None, workplace: Path) -> None:
    result = sim.run("tube_formation", out="here")
    text = (ROOT / "docs" / "run-folder.md").read_text()
    readouts = (ROOT / "docs" / "readouts.md").read_text()
    for path in Path("here").iterdir():
        assert f"`{path.name}`" in text or f"`{path.name}/NNNNNN." in text, path
    own = {each.name for each in assay("tube_formation").readouts}
    for name in [*result.timeseries, *result.final, *result.manifest]:
        general = re.sub(r"^(field|spacing_um)_.*", r"\1_NAME", name)
        assert f"`{general}`" in (readouts if name in own else text), name
    for name in result.manifest["wall_s"]:
        assert name in text, name


def test_what_sim_offers_is_in_the_api_page() -> None:
    text = (ROOT / "docs" / "api.md").read_text()
    documented = "".join(page.read_text() for page in PAGES)
    for name in set(sim.__all__) - {"__version__"}:
        assert re.search(rf"\bsim\.(?:[\w.]+\.)?{name}\b", text), name
        found = rf"^\.\. auto\w+:: sim\.(?:[\w.]+\.)?{name}$"
        assert re.search(found, documented, re.MULTILINE), name


def signature(name: str) -> str:
    """Return the signature of a function or method of `sim`, without the types of parameters."""
    owner, _, last = name.rpartition(".")
    home = sim if owner == "sim" else getattr(sim, owner.removeprefix("sim."))
    found = inspect.signature(inspect.unwrap(getattr(home, last)))
    plain = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in found.parameters.values()
        if parameter.name not in ("self", "cls")
    ]
    bare = found.replace(parameters=plain, return_annotation=inspect.Signature.empty)
    return f"{name}{bare} -> {found.return_annotation}"


def test_signatures_in_the_api_page_are_those_of_the_code() -> None:
    block = blocks(ROOT / "docs" / "api.md", "py")[0]
    lines = re.sub(r"\n +", " ", block).splitlines()
    for line in lines:
        assert line == signature(line.partition("(")[0])
    functions = {f"sim.{name}" for name in sim.__all__ if inspect.isfunction(getattr(sim, name))}
    assert functions <= {line.partition("(")[0] for line in lines}


def test_promises_name_tests_that_exist() -> None:
    text = (ROOT / "docs" / "promises.md").read_text()
    file = ""
    named = re.findall(r"`((?:unit|physics|regression|docs)/\w+\.py)?(?:::(test_\w+))?`", text)
    assert sum(bool(test) for _, test in named) > 20
    for path, test in named:
        file = path or file
        if file and (path or test):
            source = (ROOT / "tests" / file).read_text()
            assert not test or f"def {test}(" in source, f"{file}::{test}"


def test_no_page_depends_on_the_machine_it_was_written_on() -> None:
    for page in PAGES:
        assert not re.search(r"/(home|root|tmp|work)/", page.read_text()), page
