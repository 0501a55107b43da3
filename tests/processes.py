"""The children of a process, from /proc."""

from __future__ import annotations

from pathlib import Path


def children_of(pid: int, *, spawned: bool = True) -> list[int]:
    """Worker processes of a parent: those that multiprocessing has spawned, or forked."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            words = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == pid and (
            b"spawn_main" in words or (not spawned and b"resource_tracker" not in words)
        ):
            found.append(int(entry.name))
    return found


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
