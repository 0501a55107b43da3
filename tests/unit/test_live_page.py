"""The page of the live view in a real browser, without any network but this machine."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import which
from typing import Any

import pytest

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = which("chromium") or which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]
COMMAND = [sys.executable, "-c", "from sim.cli.main import main; main()", "view"]


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., tuple[subprocess.Popen[str], str]]]:
    """Start the command in a folder; return its process and the address that it prints."""
    processes = []

    def start(*words: str) -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(
            [*COMMAND, *words, "--no-browser"], text=True, cwd=tmp_path,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        processes.append(process)
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+/\?token=\S+", process.stdout.readline())
        assert found
        return process, found[0]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def open_page() -> Iterator[Callable[[str], Any]]:
    """Open a page; whatever it logs, and whatever it asks of another machine, fails the test."""
    wrong: list[str] = []
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"],
        )

        def go(url: str) -> Any:
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.on("console", lambda message: wrong.append(message.text))
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.on(
                "request",
                lambda r: None if r.url.startswith("http://127.0.0.1:") else wrong.append(r.url),
            )
            page.goto(url)
            until(page, "document.body.dataset.step !== undefined")
            return page

        yield go
        browser.close()
    refused = "the server responded with a status of 400"  # by a test, on purpose
    assert [one for one in wrong if not one.startswith("blob:") and refused not in one] == []


def until(page: Any, what: str, seconds: float = 60.0) -> None:
    """Wait, without the page's `eval`, which its policy refuses."""
    end = time.monotonic() + seconds
    while not page.evaluate(what):
        assert time.monotonic() < end, what
        time.sleep(0.02)


SMALL = ("tube_formation", "--set", "domain.size_um=[200, 200]", "--set", "cells.count=12")


def test_a_session_in_the_browser(
    started: Callable[..., tuple[subprocess.Popen[str], str]],
    open_page: Callable[[str], Any],
    tmp_path: Path,
) -> None:
    process, url = started(*SMALL)
    page = open_page(url)
    picture = page.locator("#pictures canvas")
    covers = """() => document.querySelector(".rule").getBoundingClientRect().top
        < document.querySelector("#pictures canvas").getBoundingClientRect().bottom"""
    assert not page.evaluate(covers)
    before = picture.screenshot()
    page.click("#play")
    until(page, "+document.body.dataset.step > 20")
    page.click("#play")
    until(page, "document.body.dataset.playing === 'false'")
    assert picture.screenshot() != before

    dose = page.locator("#controls input[type=number]").first
    dose.fill("5.6")
    dose.press("Enter")
    slider = page.locator("#controls input[type=range]").nth(1)
    slider.focus()
    slider.press("Home")
    until(page, "document.querySelectorAll('#controls input[type=number]')[1].value === '0'")
    time.sleep(0.3)  # what comes back does not move what was set
    assert dose.input_value() == "5.6" and slider.input_value() == "0"

    other = open_page(url)  # a second tab, and a reload, show the same
    page.reload()
    for each in (page, other):
        until(each, "document.body.dataset.step !== undefined")
        until(each, "document.querySelector('#controls input[type=number]')?.value === '5.6'")
    other.close()
    page.locator("#controls").click()
    page.keyboard.press(" ")
    until(page, "document.body.dataset.playing === 'true'")
    page.keyboard.press(" ")
    until(page, "document.body.dataset.playing === 'false'")

    page.fill("#cell", "-3")  # what is refused before it is done leaves the page following
    page.press("#cell", "Enter")
    until(page, "document.getElementById('word').textContent.includes('whole number')")
    page.evaluate("send('speed', {value: 3})")
    until(page, "document.getElementById('word').textContent.includes('speed = 3')")
    page.evaluate("call('/do', {do: 'speed', value: 50})")
    until(page, "document.getElementById('speed').value === '50'")

    page.fill("#cell", "3")
    page.press("#cell", "Enter")
    until(page, "document.getElementById('details').textContent.includes('VEGFR2')")
    page.click("#arms")
    until(page, "document.body.dataset.arms === '2'")
    assert page.locator("#pictures canvas").count() == 2
    page.select_option("#ground", "VEGF")
    until(page, "document.getElementById('ramps').textContent.includes('VEGF (ng/mL)')")
    page.click("text=Save B")
    until(page, "document.getElementById('word').textContent.includes('Saved as')")
    assert (tmp_path / "tube_formation-live.toml").is_file()
    unlabelled = """() => [...document.querySelectorAll("input, select, button")].filter(e =>
        !e.hidden && !e.ariaLabel && !e.labels?.length && !e.textContent).length"""
    assert page.evaluate(unlabelled) == 0
    page.set_viewport_size({"width": 420, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.close()
    if os.name == "posix":
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
        assert process.stderr is not None and "Traceback" not in process.stderr.read()


def test_a_run_in_the_browser(
    started: Callable[..., tuple[subprocess.Popen[str], str]],
    open_page: Callable[[str], Any],
    tmp_path: Path,
) -> None:
    import sim

    small = {"domain.size_um": [200, 200], "cells.count": 24, "time.duration_h": 1.0}
    sim.run("tube_formation", small | {"time.record_every_h": 0.25}, out=tmp_path / "run")
    _, url = started("run")
    page = open_page(url)
    picture = page.locator("#pictures canvas")
    before = picture.screenshot()
    page.locator("#frame").focus()
    page.locator("#frame").press("End")
    until(page, "document.body.dataset.step === '120'")
    assert picture.screenshot() != before and page.locator("#panel").is_hidden()
    assert page.locator("#at").text_content() == "1.00 h"
    page.locator("#frame").press("Home")
    until(page, "document.body.dataset.step === '0'")
    page.evaluate("""() => { // a slider that is dragged: the newest frame is shown, not all of them
        const frame = document.getElementById("frame"), before = window.fetch;
        window.asked = 0;
        window.fetch = (path, ...more) => {
            window.asked += path === "/do"; return before(path, ...more);
        };
        for (let k = 0; k < 40; k++) {
            frame.value = k % 5; frame.dispatchEvent(new Event("input"));
        }
    }""")
    until(page, "document.body.dataset.step === '120'")
    assert page.evaluate("window.asked") <= 3
    page.close()
