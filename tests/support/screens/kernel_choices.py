"""Both implementations of the kernels, as parameters of tests."""

from __future__ import annotations

import pytest

from gmapi.computercraft.fallback import NumpyKernels
from gmapi.computercraft.kernels import Kernels
from gmapi.computercraft.native import NotNative, load


def _native() -> Kernels | None:
    try:
        return load()
    except NotNative:
        return None


NATIVE = _native()
NUMPY = NumpyKernels()
needs_native = pytest.mark.skipif(NATIVE is None, reason="the native kernels are not built")
KERNELS = [pytest.param(NATIVE, id="native", marks=needs_native), pytest.param(NUMPY, id="numpy")]
