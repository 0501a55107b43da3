"""The commands ``drug ...``: drugs of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sim.cli.common import exit_codes, say
from sim.errors import InputError

drug = typer.Typer(
    help="Drugs of your own: `drug new NAME` writes a file to fill in.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@drug.callback()
def _drug() -> None:
    pass


@drug.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the drug is called.")],
    out: Annotated[
        Path | None, typer.Option(help="The new file, or its folder. [default: NAME.toml]")
    ] = None,
) -> None:
    """Write a commented drug file to fill in."""
    with exit_codes():
        import os
        import re

        from sim.files import write_new_text
        from sim.pharmacology.drug_file import name_problem, template

        if not re.fullmatch(r"[A-Za-z][\w-]{0,99}", name, re.ASCII):
            raise InputError(f"{name!r}: must be a word of letters, digits, - and _")
        if wrong := name_problem(name):
            raise InputError(f"{name}: {wrong}")
        path = out or Path(f"{name}.toml")
        path = path / f"{name}.toml" if os.path.isdir(path) else path
        if path.stem != name or path.suffix != ".toml":
            raise InputError(f"{path}: must be {name}.toml: a drug is called as its file")
        try:
            write_new_text(path, template(name))
        except FileExistsError:
            what = "file exists, and existing files are never overwritten; choose another"
            raise InputError(f"{path}: {what}") from None
        except OSError as error:
            raise InputError(f"{path}: {(error.strerror or str(error)).lower()}") from error
        say(f"wrote {path}: fill it in, then `drug.file` uses it")
