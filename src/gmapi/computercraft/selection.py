"""Which kernels run: native code where it was built, else NumPy."""

from __future__ import annotations

from functools import cache
from typing import Literal

from gmapi.computercraft.kernels import Kernels
from gmapi.computercraft.native import NotNative, load

Choice = Literal["auto", "native", "numpy"]


@cache
def select(wanted: Choice) -> tuple[Kernels, str]:
    """The kernels to use, and a phrase that says which they are and why.

    Raises NotNative when native ones are asked for and cannot be had.
    """
    reason = "as the settings ask"
    if wanted != "numpy":
        try:
            return load(), "native code"
        except NotNative as error:
            if wanted == "native":
                raise
            reason = f"which is slower (the native library is {error})"
    # Only when it is needed: few installations do, and every start would load it.
    from gmapi.computercraft.fallback import NumpyKernels

    return NumpyKernels(), f"NumPy, {reason}"
