"""The version, and the table of floors: which room may import which, and what decides a run."""

from __future__ import annotations

__version__ = "0.2.0"

FLOORS: tuple[tuple[str, ...], ...] = (
    (
        "errors",
        "input",
        "units",
        "tables",
        "version",
        "files",
        "logs",
        "labels",
        "hooks",
        "signals",
        "kernels",
        "data",
    ),
    ("tissue", "bed", "signalling", "pharmacology", "readouts", "fits"),
    ("assays", "scenario"),
    ("model",),
    ("runs", "studies", "analysis", "calibration", "design", "lab"),
    ("view", "live"),
    ("kinds", "api", ""),
    ("tools", "cli", "__main__"),
)
"""Rooms of the package by floor, lowest first, each floor from left to right.

A room imports only from the floors below and from its left on its own; ``""`` is ``sim`` itself.
"""
