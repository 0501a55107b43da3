"""The documentation as a site: what leads where, what is loaded, what its numbers rest on."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
INDEX = (DOCS / "index.md").read_text(encoding="utf-8")
LINK = re.compile(r"\]\(([^)\s#]+\.md)(?:#[^)\s]*)?\)")
LOADED = re.compile(r"<(?:script|img|iframe|source)\b[^>]*\bsrc=\"([^\"]*)\"|<link\b([^>]*)>")
SEE_ONLY = re.compile(r"rel=\"(?:canonical|author|help|index|next|prev|search|top)\"")
ELSEWHERE = re.compile(r"^(?:https?:)?//")


def loaded_from_elsewhere(page: str) -> list[str]:
    """Return what a browser fetches from other hosts to show a page."""
    found = []
    for source, link in LOADED.findall(page):
        href = "" if SEE_ONLY.search(link) else "".join(re.findall(r"href=\"([^\"]*)\"", link))
        found += [url for url in (source, href) if ELSEWHERE.match(url)]
    return found


@pytest.mark.parametrize(
    ("page", "found"),
    [
        ('<script defer src="https://cdn.org/a.js"></script>', ["https://cdn.org/a.js"]),
        ('<link rel="stylesheet" href="//fonts.org/a.css">', ["//fonts.org/a.css"]),
        ('<link href="https://fonts.org" rel="preconnect">', ["https://fonts.org"]),
        ('<img src="https://shields.org/a.svg">', ["https://shields.org/a.svg"]),
        ('<script src="_static/a.js"></script><a href="https://doi.org/10">', []),
        ('<link rel="canonical" href="https://docs.org/">', []),
    ],
)
def test_what_is_loaded_from_elsewhere_is_found(page: str, found: list[str]) -> None:
    assert loaded_from_elsewhere(page) == found


def test_every_page_is_in_a_table_of_contents() -> None:
    entries = re.findall(r"^([\w/-]+)$", "".join(re.findall(r"```{toctree}\n(.*?)```", INDEX, re.DOTALL)), re.MULTILINE)  # fmt: skip  # noqa: E501
    pages = {page.relative_to(DOCS).with_suffix("").as_posix() for page in DOCS.rglob("*.md")}
    pages = {page for page in pages if not page.startswith("_build")}
    assert sorted([*entries, "index"]) == sorted(pages)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("change the dose", "--set drug.free_nM="),
        ("sweep it", "angiosim sweep doses.toml"),
        ("get the IC50", "`ic50_low`"),
        ("use your own numbers", "angiosim fit"),
    ],
)
def test_what_newcomers_ask_is_two_clicks_away(question: str, answer: str) -> None:
    (row,) = re.findall(rf"^\| {question} \|(.*)$", INDEX, re.MULTILINE)
    assert any(answer in (DOCS / page).read_text(encoding="utf-8") for page in LINK.findall(row))


def test_numbers_of_the_validation_page_are_those_of_its_pages() -> None:
    text = (DOCS / "validation.md").read_text(encoding="utf-8")
    rows = [row for row in text.splitlines() if row.startswith("|") and LINK.search(row)]
    assert len(rows) > 30
    for row in rows:
        _, what, published, here, *_ = (cell.strip() for cell in row.split("|"))
        pages = "".join((DOCS / page).read_text(encoding="utf-8") for page in LINK.findall(row))
        for number in re.findall(r"\d[\d,.]*\d|\d", LINK.sub("", f"{what} {published} {here}")):
            assert re.search(rf"(?<![\d.]){re.escape(number)}(?![\d]|\.\d)", pages), (number, what)


def test_pictures_of_validation_are_read_from_the_pages() -> None:
    sys.path.insert(0, str(ROOT / "examples"))
    try:
        from validation import draw
    finally:
        sys.path.pop(0)
    assert all(ax.has_data() for ax in draw().axes)


@pytest.mark.slow
def test_the_site_builds_without_warnings_and_works_offline(tmp_path: Path) -> None:
    build_main = pytest.importorskip("sphinx.cmd.build").build_main
    for library in ("furo", "latex2mathml", "myst_nb"):
        pytest.importorskip(library)
    without_running = ["-D", "nb_execution_mode=off"]
    assert build_main(["-W", "-q", *without_running, str(DOCS), str(tmp_path)]) == 0
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > 40
    for page in pages:
        assert not loaded_from_elsewhere(page.read_text(encoding="utf-8")), page
    for style in tmp_path.rglob("*.css"):
        text = style.read_text(encoding="utf-8")
        assert not re.search(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", text), style
    options = (tmp_path / "_static" / "documentation_options.js").read_text(encoding="utf-8")
    assert "SHOW_SEARCH_SUMMARY: false" in options
    index = (tmp_path / "searchindex.js").read_text(encoding="utf-8")
    assert '"sprouting"' in index and "how-to/get-the-ic50" in index
    assert "<math" in (tmp_path / "model.html").read_text(encoding="utf-8")
