"""Which kernels convert pictures for ComputerCraft: for health, the doctor and the start-up."""

from __future__ import annotations

from dataclasses import dataclass

from gmapi.computercraft.native import NotNative
from gmapi.computercraft.selection import select
from gmapi.errors import SettingsError
from gmapi.settings import Settings

KERNEL_REMEDY = (
    "Install a C++ compiler (g++, clang or Visual Studio's build tools), then repeat the "
    "pip install that installed gmapi."
)


@dataclass(frozen=True)
class KernelState:
    """`name` is "native" or "numpy"; `detail` a phrase that says why."""

    name: str
    detail: str


def kernel_state(settings: Settings) -> KernelState:
    """The kernels that conversions with these settings use.

    Raises SettingsError when the settings ask for native ones and there are none.
    """
    try:
        kernels, phrase = select(settings.kernels)
    except NotNative as error:
        raise SettingsError(
            [
                f"GMAPI_KERNELS: native code is asked for, but the library is {error}. "
                f"{KERNEL_REMEDY} Or leave the setting out, and NumPy does the work, more slowly."
            ]
        ) from error
    return KernelState(kernels.name, phrase)
