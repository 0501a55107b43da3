"""Sphinx: ``sphinx-build docs docs/_build`` with the extra ``docs`` installed."""

from __future__ import annotations

import sim

project = "angiosim"
author = "The angiosim developers"
copyright = author
version = release = sim.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
napoleon_google_docstring = False
napoleon_use_ivar = True
autodoc_typehints = "none"  # the docstrings say it in words
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"angiosim {version}"
