"""Instructions on many numbers at once, which numba would not make of a loop.

They are LLVM's own vectors, so that any machine has them: as one instruction where its vectors are
wide, or as several.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import extending, types

# typed as what it gives to kernels, not by the arguments of its code
intrinsic: Callable[[Callable[..., Any]], Callable[..., Any]] = extending.intrinsic
BLOCK = 64
"""Numbers that are compared at once: as many as a word has bits."""

_I16, _I32, _I64 = ir.IntType(16), ir.IntType(32), ir.IntType(64)
_BLOCK_3X3 = 0b0111_0101_0111
"""Lanes of `equal_around` that are neighbours: not the site itself, nor a fourth column."""

RING_LANES = (0, 1, 2, 6, 10, 9, 8, 4)
"""Lanes of `equal_around` in circular order; see `sim.tissue.lattice.RING`."""


def _splat(builder: Any, value: Any, lanes: int) -> Any:
    """A vector whose lanes all hold one value."""
    vector = ir.VectorType(value.type, lanes)
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), value, _I32(0))
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(_I32, lanes), [0] * lanes))


def _load(builder: Any, data: Any, at: Any, lanes: int) -> Any:
    """A vector from consecutive places of an array."""
    where = builder.gep(data, [at])
    vector = ir.VectorType(where.type.pointee, lanes)
    pointer = builder.bitcast(where, vector.as_pointer())
    return builder.load(pointer, align=where.type.pointee.width // 8)


def data_of(context: Any, builder: Any, array_type: Any, array: Any) -> Any:
    """Return the pointer to an array's first number."""
    return context.make_array(array_type)(context, builder, array).data


@intrinsic
def equal_around(typingctx: Any, patch: Any, site: Any, row: Any, a: Any, b: Any, c: Any, d: Any):
    """Which of the eight sites around one hold a, b, c, d: four masks of 16 bits in a word.

    Bit 4 i + j of a mask is the site at row y - 1 + i, column x - 1 + j of a flat int32 patch with
    ``row`` sites in a row, which has a further column to the right of the eight.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = data_of(context, builder, signature.args[0], args[0])
        rows = []
        for dy in (-1, 0, 1):
            at = builder.sub(builder.add(args[1], builder.mul(args[2], _I64(dy))), _I64(1))
            rows.append(_load(builder, data, at, 4))
        undefined = ir.Constant(ir.VectorType(_I32, 4), ir.Undefined)
        pairs = ir.Constant(ir.VectorType(_I32, 8), list(range(8)))
        upper = builder.shuffle_vector(rows[0], rows[1], pairs)
        lower = builder.shuffle_vector(rows[2], undefined, pairs)
        both = ir.Constant(ir.VectorType(_I32, 16), list(range(16)))
        block = builder.shuffle_vector(upper, lower, both)
        word = _I64(0)
        for k in range(4):
            equal = builder.icmp_signed("==", block, _splat(builder, args[3 + k], 16))
            mask = builder.and_(builder.bitcast(equal, _I16), _I16(_BLOCK_3X3))
            word = builder.or_(word, builder.shl(builder.zext(mask, _I64), _I64(16 * k)))
        return word

    i64, i32 = types.int64, types.int32
    return types.uint64(patch, i64, i64, i32, i32, i32, i32), codegen


@intrinsic
def matching(typingctx: Any, one: Any, other: Any, first: Any, value: Any):
    """Which of the places from ``first`` on hold a value in one of two uint16 arrays: a word."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        wanted = _splat(builder, args[3], BLOCK)
        equal = []
        for k in range(2):
            data = data_of(context, builder, signature.args[k], args[k])
            equal.append(builder.icmp_unsigned("==", _load(builder, data, args[2], BLOCK), wanted))
        return builder.bitcast(builder.or_(*equal), _I64)

    return types.uint64(one, other, types.int64, types.uint16), codegen


@intrinsic
def changes(typingctx: Any, line: Any, first: Any, before: Any):
    """Which of the 64 int32 numbers from ``first`` on differ from the one before them: a word.

    ``before`` is what counts as the one before the first.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = data_of(context, builder, signature.args[0], args[0])
        here = _load(builder, data, args[1], BLOCK)
        last = builder.insert_element(ir.Constant(here.type, ir.Undefined), args[2], _I32(63))
        shifted = ir.Constant(ir.VectorType(_I32, BLOCK), list(range(BLOCK - 1, 2 * BLOCK - 1)))
        left = builder.shuffle_vector(last, here, shifted)
        return builder.bitcast(builder.icmp_signed("!=", here, left), _I64)

    return types.uint64(line, types.int64, types.int32), codegen


@intrinsic
def nonzero(typingctx: Any, line: Any, first: Any):
    """Which of the 64 int32 numbers from ``first`` on are not zero: a word."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = data_of(context, builder, signature.args[0], args[0])
        here = _load(builder, data, args[1], BLOCK)
        return builder.bitcast(builder.icmp_signed("!=", here, here.type(None)), _I64)

    return types.uint64(line, types.int64), codegen


@intrinsic
def ones(typingctx: Any, word: Any):
    """How many bits of a word are set."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.int64(types.uint64), codegen


@intrinsic
def lowest_one(typingctx: Any, word: Any):
    """Number of the lowest bit that is set; any number if none is."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), codegen


def aligned(shape: int | tuple[int, ...], dtype: Any) -> Any:
    """Return an array of zeros that begins where a line of the cache does."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    room = np.zeros(size + 64, np.uint8)
    begin = -room.ctypes.data % 64
    return room[begin : begin + size].view(dtype).reshape(shape)
