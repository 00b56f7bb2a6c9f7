"""The package's own source, parsed once for all tests that look at it."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import gmapi

PACKAGE = Path(gmapi.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))


@cache
def tree(module: Path) -> ast.Module:
    """A module's syntax tree; not to be changed."""
    return ast.parse(module.read_text("utf-8"))
