"""Compiled: how the radio's event kernels are compiled.

They hand tables of records from function to function. By default numba would count
references at each mention of one, which took four fifths of a mesh's time: so these count
none, and may make no arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from numba import njit

_Compiler = Callable[..., Callable[..., Any]]
#: For code that Python calls.
outer: _Compiler = partial(njit, cache=True, _nrt=False)
#: For code that only compiled code calls: it lacks what Python would call it by.
inner: _Compiler = partial(outer, no_cpython_wrapper=True, no_cfunc_wrapper=True)
#: The same, put into its one caller: what it is handed would take longer than what it does.
inlaid: _Compiler = partial(inner, forceinline=True)
