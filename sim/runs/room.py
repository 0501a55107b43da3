"""What this machine has free, and the refusal of runs that need more."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from sim.errors import RoomError
from sim.runs.estimate import Estimate, in_bytes


def check_room(found: Estimate, folder: Path | None, left: float = 1.0) -> None:
    """Refuse a run that needs more memory, or room on the disk, than there is.

    Parameters
    ----------
    found : Estimate
    folder : Path or None
        Where it is written; None if it is kept in memory.
    left : float
        Share of it that is still to be written.

    Raises
    ------
    RoomError
        With what it needs, what there is, and how it would need less.
    """
    memory = found.memory if folder else found.memory_bare
    check_memory(memory, "a smaller domain.size_um or a larger domain.spacing_um needs less")
    if folder:
        check_disk(found.disk * left, folder)


def check_memory(needed: float, way_out: str) -> None:
    """Refuse what needs more memory than is free; see `check_room`."""
    free = memory_free()
    if free is not None and needed > free:
        raise RoomError(
            f"needs about {in_bytes(needed)} of memory, and {in_bytes(free)} are free here; "
            f"{way_out}"
        )


def check_disk(needed: float, folder: Path) -> None:
    """Refuse what needs more room than there is on the disk of a folder; see `check_room`."""
    free = disk_free(folder)
    if free is not None and needed > free:
        raise RoomError(
            f"{folder}: about {in_bytes(needed)} will be written, and {in_bytes(free)} are free "
            "there; a longer time.record_every_h or record.fields = false needs less, or choose "
            "another folder with --out"
        )


def disk_free(folder: Path) -> int | None:
    """Bytes that are free on the disk of a folder, which may not be there yet."""
    folder = Path(os.path.abspath(folder))
    for place in (folder, *folder.parents):
        with suppress(OSError):
            return shutil.disk_usage(place).free
    return None


def memory_free(proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Bytes of memory that this process may still get; None where the system does not say.

    The least of what the machine has available, swap included, what its control groups (of a
    container or a batch job) leave, and the limit of its address space.
    """
    found = [*_of_machine(proc), *_of_groups(proc, cgroups), *_of_process()]
    return max(0, min(found)) if found else None


def _of_machine(proc: Path) -> Iterator[int]:
    with suppress(OSError, ValueError, KeyError):
        lines = (proc / "meminfo").read_text().splitlines()
        known = {line.partition(":")[0]: line.partition(":")[2] for line in lines}
        yield 1024 * sum(int(known[name].split()[0]) for name in ("MemAvailable", "SwapFree"))
        return
    with suppress(OSError, ValueError, AttributeError):  # other systems say how much there is
        yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _of_groups(proc: Path, cgroups: Path) -> Iterator[int]:
    """Limits of the control groups of this process less what they use, files in memory apart."""
    with suppress(OSError, ValueError):
        for line in (proc / "self" / "cgroup").read_text().splitlines():
            _, kinds, path = line.split(":", 2)
            if kinds == "":
                base, limit, used, cache = cgroups, "memory.max", "memory.current", "inactive_file"
            elif "memory" in kinds.split(","):
                base, limit = cgroups / "memory", "memory.limit_in_bytes"
                used, cache = "memory.usage_in_bytes", "total_inactive_file"
            else:
                continue
            own = base / path.lstrip("/")
            for group in (own, *own.parents):
                with suppress(OSError, ValueError):  # no limit is the word max
                    most = int((group / limit).read_text())
                    yield most - int((group / used).read_text()) + _cached(group, cache)
                if group == base:
                    break


def _cached(group: Path, name: str) -> int:
    with suppress(OSError, ValueError, KeyError):
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return int(stat[name])
    return 0


def _of_process() -> Iterator[int]:
    with suppress(ImportError):  # not on every system
        import resource

        most, _ = resource.getrlimit(resource.RLIMIT_AS)
        if most != resource.RLIM_INFINITY:
            yield most
