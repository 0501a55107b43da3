"""Print constraints that pin what is needed to run and test to the lowest versions declared."""

import re
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
for requirement in [*project["dependencies"], *project["optional-dependencies"]["test"]]:
    print(re.sub(r">=([\d.]+).*", r"==\1", requirement))
