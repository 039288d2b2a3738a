"""Rows: what stands side by side in the lanes, as one value of compiled code.

A row is LLVM's own vector of 16 numbers, so one instruction serves several scenarios
whatever the compiler can prove about arrays that might overlap, and no loop has to be
found again and turned into vectors: 3 times faster than loops over lanes as numba compiles
them by default, and compiled in a fraction of the time. Only compiled code can use it:
`take` and `put` move rows between arrays of shape (n, LANES) and registers, ``+ - * /``
take rows and numbers.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

#: Scenarios side by side.
LANES = 16
#: Voltage at and below which a load that gives way to low voltage is its rated impedance. [pu]
LOW_PU = 0.5

_VECTOR = ir.VectorType(ir.DoubleType(), LANES)
_Compiler = Callable[..., Callable[[Callable[..., Any]], Callable[..., Any]]]
#: numba says little of the types of these.
_njit: Any = njit
_signature: Any = signature
_infer: Any = infer_global
_lower: Any = lower_builtin
_function_of: Any = cgutils.get_or_insert_function
#: How code is compiled that only compiled code calls. It counts no references, which it would
#: do at each mention of an array and which took two thirds of the time on 33 buses: so it may
#: make no arrays. And it lacks what Python would call it by, which takes longer to compile
#: than the code itself if there are a hundred arrays to unpack.
inner: _Compiler = partial(
    njit, cache=True, _nrt=False, no_cpython_wrapper=True, no_cfunc_wrapper=True
)
#: The same, for code that Python calls too.
outer: _Compiler = partial(_njit, cache=True, _nrt=False)
#: The same as `inner`, put into its caller as machine code: a hundred arrays need not be handed over.
inlaid: _Compiler = partial(inner, forceinline=True)
#: The same, put into its caller line by line.
spliced: _Compiler = partial(_njit, cache=True, inline="always")

#: A product and a sum may become one instruction; nothing else is rearranged.
_FLAGS = ("contract", "nsz")


def _intrinsic(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a generator of machine code a function; its callers leave the first argument out."""
    made: Callable[..., Any] = intrinsic(function)
    return made


class RowType(types.Type):
    """The type of a row, in numba's terms."""

    def __init__(self) -> None:
        super().__init__(name="Row")


ROW: Any = RowType()


@register_model(RowType)
class _RowModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: RowType) -> None:
        super().__init__(manager, kind, _VECTOR)  # type: ignore[no-untyped-call]


def _spread(builder: Any, value: Any) -> Any:
    """Return a row of equal numbers; a row as it is."""
    if value.type == _VECTOR:
        return value
    index = ir.IntType(32)
    empty = ir.Constant(_VECTOR, ir.Undefined)
    one = builder.insert_element(empty, value, ir.Constant(index, 0))
    return builder.shuffle_vector(one, empty, ir.Constant(ir.VectorType(index, LANES), [0] * LANES))


_PAIRS = ((ROW, ROW), (ROW, types.float64), (types.float64, ROW))


def _operator(which: Callable[..., Any], method: str) -> None:
    """Make an operator of two numbers one of rows."""

    class Template(ConcreteTemplate):
        cases = [_signature(ROW, *pair) for pair in _PAIRS]  # noqa: RUF012 - numba's form

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        a, b = (_spread(builder, value) for value in args)
        return getattr(builder, method)(a, b, flags=_FLAGS)

    _infer(which)(Template)
    for pair in _PAIRS:
        _lower(which, *pair)(lower)


for _which, _method in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _operator(_which, _method)


def _address(context: Any, builder: Any, array_type: Any, array: Any, *at: Any) -> Any:
    """Return where a row of lanes, or what begins at a row and a column, is."""
    there = context.make_array(array_type)(context, builder, array)
    if len(at) == 1:
        first = builder.mul(at[0], ir.Constant(at[0].type, LANES))
    else:
        width = builder.extract_value(there.shape, 1)
        first = builder.add(builder.mul(at[0], width), at[1])
    return builder.bitcast(builder.gep(there.data, [first]), ir.PointerType(_VECTOR))


@_intrinsic
def take(typing_context: Any, array: Any, row: Any) -> Any:
    """Return a row of an array."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        at = _address(context, builder, sig.args[0], args[0], args[1])
        return builder.load(at, align=8)

    return ROW(array, types.intp), generate


@_intrinsic
def put(typing_context: Any, array: Any, row: Any, value: Any) -> Any:
    """Write a row, or a number for all lanes, into an array."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        at = _address(context, builder, sig.args[0], args[0], args[1])
        builder.store(_spread(builder, args[2]), at, align=8)
        return context.get_dummy_value()

    return types.none(array, types.intp, value), generate


@_intrinsic
def take_at(typing_context: Any, array: Any, row: Any, column: Any) -> Any:
    """Return what stands from a column on in a row of a wide array."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(_address(context, builder, sig.args[0], *args), align=8)

    return ROW(array, types.intp, types.intp), generate


@_intrinsic
def put_at(typing_context: Any, array: Any, row: Any, column: Any, value: Any) -> Any:
    """Write a row into a wide array, from a column on."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[3], _address(context, builder, sig.args[0], *args[:3]), align=8)
        return context.get_dummy_value()

    return types.none(array, types.intp, types.intp, ROW), generate


def _choice(sign: str) -> Any:
    """Return an intrinsic that takes, lane by lane, the one or the other of two."""

    @_intrinsic
    def chosen(typing_context: Any, a: Any, b: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            one, other = (_spread(builder, value) for value in args)
            first = builder.fcmp_ordered(sign, one, other, flags=("nsz",))
            return builder.select(first, one, other)

        return ROW(a, b), generate

    return chosen


#: The lesser and the greater of two rows, or of a row and a number.
least, greatest = _choice("<"), _choice(">")


@_intrinsic
def where(typing_context: Any, under_way: Any, one: Any, other: Any) -> Any:
    """Return, lane by lane, the one where something is above 0, and else the other."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        above = builder.fcmp_ordered(">", args[0], ir.Constant(_VECTOR, [0.0] * LANES))
        return builder.select(above, args[1], args[2])

    return ROW(ROW, ROW, ROW), generate


@_intrinsic
def root(typing_context: Any, row: Any) -> Any:
    """Return the square root of a row."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind, name = ir.FunctionType(_VECTOR, [_VECTOR]), f"llvm.sqrt.v{LANES}f64"
        function = _function_of(builder.module, kind, name)
        return builder.call(function, args)

    return ROW(ROW), generate


@_intrinsic
def any_below(typing_context: Any, row: Any, limit: Any) -> Any:
    """Return whether a lane is below a limit."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        lanes = builder.fcmp_ordered("<", args[0], _spread(builder, args[1]))
        bits = builder.bitcast(lanes, ir.IntType(LANES))
        return builder.icmp_unsigned("!=", bits, ir.Constant(bits.type, 0))

    return types.boolean(ROW, limit), generate
