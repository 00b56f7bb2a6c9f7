"""Builds the native kernels where there is a C++ compiler; without one, NumPy does their work."""

from __future__ import annotations

import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

NATIVE = Path("src/gmapi/computercraft/native")


class BuildKernels(build_ext):
    """Compiles one C++17 source to a plain shared library that is loaded with ctypes."""

    def build_extensions(self) -> None:
        msvc = self.compiler.compiler_type == "msvc"
        for extension in self.extensions:
            extension.extra_compile_args = (
                ["/std:c++17", "/O2", "/fp:precise"]
                if msvc
                # Contraction would round differently from machine to machine.
                else ["-std=c++17", "-O3", "-ffp-contract=off", "-fvisibility=hidden", "-g0"]
            )
        super().build_extensions()

    def build_extension(self, ext: Extension) -> None:
        try:
            super().build_extension(ext)
        except Exception as error:
            print(
                f"notice: the native kernels were not built ({error}); the converter will use "
                "NumPy, which is slower",
                file=sys.stderr,
            )

    def get_export_symbols(self, ext: Extension) -> list[str]:
        """Only the C functions that the source exports itself; it is no Python module."""
        return []


setup(
    ext_modules=[
        Extension(
            "gmapi.computercraft._kernels",
            sources=[str(NATIVE / "kernels.cpp")],
            depends=[str(path) for path in sorted(NATIVE.glob("*.hpp"))],
            language="c++",
            optional=True,
        )
    ],
    cmdclass={"build_ext": BuildKernels},
)
