"""Where the threads of one compiled call wait for each other.

A thread that waits looks a few times whether the others have come, and then lets whoever else
wants the processor have it: so threads are quick where each has a processor of its own, and take
none from others where the machine is busy.
"""

from __future__ import annotations

import os
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from sim.kernels.compiling import lean
from sim.kernels.vectors import data_of, intrinsic

LOOKS = 2000
"""Before a thread that waits lets others run: some ten microseconds."""

_YIELD = "SwitchToThread" if os.name == "nt" else "sched_yield"


@intrinsic
def take(typingctx: Any, counts: Any, index: Any):
    """Add one to an int64 counter that threads share; return what it was."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        where = builder.gep(data_of(context, builder, signature.args[0], args[0]), [args[1]])
        return builder.atomic_rmw("add", where, ir.IntType(64)(1), "seq_cst")

    return types.int64(counts, types.int64), codegen


@intrinsic
def look(typingctx: Any, counts: Any, index: Any):
    """What an int64 counter that threads share is now."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        where = builder.gep(data_of(context, builder, signature.args[0], args[0]), [args[1]])
        return builder.load_atomic(where, "seq_cst", 8)

    return types.int64(counts, types.int64), codegen


@intrinsic
def let_others_run(typingctx: Any):
    """Offer the processor to other threads and processes."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        of_system = ir.FunctionType(ir.IntType(32), [])
        builder.call(cgutils.get_or_insert_function(builder.module, of_system, _YIELD), [])
        return context.get_dummy_value()

    return types.void(), codegen


@lean
def wait(counts, threads):
    """Wait until all threads have come here: ``counts[0]`` counts who came, from 0 on."""
    goal = (take(counts, 0) // threads + 1) * threads
    looks = 0
    while look(counts, 0) < goal:
        looks += 1
        if looks > LOOKS:
            let_others_run()
