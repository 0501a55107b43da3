"""Sphinx: ``sphinx-build docs docs/_build`` with the extra ``docs`` installed."""

from __future__ import annotations

import inspect
import os
import sys
from functools import partialmethod
from pathlib import Path
from typing import Any

import nbclient
from docutils.nodes import SkipNode
from latex2mathml.converter import convert
from sphinx.domains.python import PyObject
from sphinx.ext.napoleon import NumpyDocstring

import sim

project = "angiosim"
author = "The angiosim developers"
copyright = author
version = release = sim.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
napoleon_google_docstring = False
napoleon_use_ivar = True
NumpyDocstring._consume_fields = partialmethod(  # "a, b : int" are two, of attributes as well
    NumpyDocstring._consume_fields, multiple=True
)
autodoc_typehints = "none"  # the docstrings say it in words
exclude_patterns = ["_build", "**.ipynb"]

nb_execution_mode = "cache"  # a notebook is run again when its code has changed
nb_execution_in_temp = True
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_output_stderr = "remove"  # progress
nbclient.client.NotebookClient.__init__ = partialmethod(  # what is printed comes in pieces
    nbclient.NotebookClient.__init__, coalesce_streams=True
)
# Its commands are those of this Python, also where the environment is not activated.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

html_theme = "furo"
html_title = f"angiosim {version}"
html_show_search_summary = False  # would be fetched, which browsers refuse to pages on a disk
html_math_renderer = "mathml"  # by the browser itself: MathJax would be fetched from elsewhere


def _inline(writer: Any, node: Any) -> None:
    writer.body.append(convert(node.astext()))
    raise SkipNode


def _display(writer: Any, node: Any) -> None:
    formula = convert(node.astext(), display="block")
    writer.body.append(f'<div class="math" style="overflow-x: auto">{formula}</div>')
    raise SkipNode


def _of_property(app: Any, what: str, name: str, thing: Any, options: Any, lines: Any) -> None:
    if what == "property":  # in which napoleon takes the words before a colon for a type
        lines[:] = [*(inspect.getdoc(thing) or "").splitlines(), ""]


def setup(app: Any) -> None:
    """Have equations written as MathML, and docstrings of properties as they are."""
    for field in PyObject.doc_field_types:
        if field.name == "variable":  # else names of attributes lead to those of other classes
            field.rolename = ""
    app.connect("autodoc-process-docstring", _of_property, priority=600)  # after napoleon
    app.add_html_math_renderer(
        "mathml", inline_renderers=(_inline, None), block_renderers=(_display, None)
    )
