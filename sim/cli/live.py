"""The command ``view``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli.common import Settings, exit_codes, print_cautions, say
from sim.errors import InputError

if TYPE_CHECKING:
    from sim.live.stage import Stage


def view(
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE|DIR...",
            help="A scenario file, the name of a shipped one, or the folder of a finished run; "
            "several folders are shown side by side.",
        ),
    ],
    seed: Annotated[
        int | None, typer.Option(help="Random seed. [default: the scenario's, or 1]")
    ] = None,
    settings: Settings = None,
    threads: Annotated[
        int, typer.Option(min=1, help="Most threads for a large domain, as for run.")
    ] = 1,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 chooses a free one.")
    ] = 0,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the address only.")
    ] = False,
) -> None:
    """Watch and change a model in the browser, or replay a run."""
    with exit_codes():
        import threading
        import webbrowser

        stage: Stage
        if len(what) > 1 or os.path.isdir(what[0]):
            stage = _player([Path(one) for one in what], seed, settings)
        else:
            from sim.kinds import expected
            from sim.live.session import Session
            from sim.scenario.cautions import cautions
            from sim.scenario.resolve import load
            from sim.scenario.settings import parse_settings

            with expected("scenario", what[0]):
                scenario = load(what[0], parse_settings(settings or []), seed)
            print_cautions(cautions(scenario))
            stage = Session(scenario, threads)
        from sim.live.server import Server
        from sim.view.progress import COMPILING

        with Server(stage, port) as server:
            slow = threading.Timer(2.0, say, [COMPILING], {"err": True})
            slow.daemon = True
            slow.start()
            try:
                stage.start()
            finally:
                slow.cancel()
            say(f"live view: {server.url}\nCtrl-C ends it")
            if not no_browser:
                threading.Thread(
                    target=webbrowser.open, args=(server.first_url,), daemon=True
                ).start()
            server.serve_forever()


def _player(folders: list[Path], seed: int | None, settings: list[str] | None) -> Stage:
    """Return the player of runs."""
    from sim.live.player import Player
    from sim.runs.result import Result

    if seed is not None or settings:
        raise InputError(
            f"{folders[0]}: a finished run is shown as it was; leave --seed and --set out"
        )
    for folder in folders:
        if not folder.is_dir():
            raise InputError(
                f"{folder}: no such folder; only finished runs can be given together, and a "
                "scenario has two arms on its page"
            )
    return Player(*map(Result.open, folders))
