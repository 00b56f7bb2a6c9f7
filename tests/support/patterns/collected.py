"""All regular expressions of the package, found in its source, with how each is used."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gmapi

ROOT = Path(gmapi.__file__).parent
# Where the flags stand among the parameters of each function of `re`.
_FLAGS_AT = {
    "compile": 1, "match": 2, "search": 2, "fullmatch": 2, "findall": 2, "finditer": 2,
    "split": 3, "sub": 4, "subn": 4,
}  # fmt: skip
_EVERYWHERE = "finditer"
"""What stands for each use that tries all places of a text one after another."""
_USES = {"match": "match", "fullmatch": "fullmatch"}


@dataclass(frozen=True)
class Pattern:
    """`where` it stands (file and line); `uses` are match, fullmatch and finditer."""

    where: str
    pattern: str | bytes
    flags: int
    uses: frozenset[str]


@dataclass(frozen=True)
class Found:
    """`patterns` that are known, and places of others that no supplier explains."""

    patterns: list[Pattern]
    unknown: list[str]


def collect(suppliers: Mapping[str, Callable[[], list[Pattern]]]) -> Found:
    """Look through the package. A pattern that is neither a literal nor made of the module's own
    constants is unknown, unless `suppliers` has the patterns of its file and function."""
    patterns: list[Pattern] = []
    unknown: list[str] = []
    trees = {path: ast.parse(path.read_text("utf-8")) for path in sorted(ROOT.rglob("*.py"))}
    methods = _methods(trees.values())
    for path, tree in trees.items():
        name = path.relative_to(ROOT).as_posix()
        for call, owner, target in _calls(tree):
            where = f"{name}:{call.lineno}"
            supplier = suppliers.get(f"{name}:{owner}")
            try:
                pattern, flags = _values(name, call)
            except NameError:
                if supplier is None:
                    unknown.append(where)
                else:
                    patterns += supplier()
                continue
            used = {_function(call)}
            if used == {"compile"}:
                used = methods.get(target or "", set()) - used
            uses = {_USES.get(each, _EVERYWHERE) for each in used}
            patterns.append(
                Pattern(where, pattern, flags, frozenset(uses or {"fullmatch", _EVERYWHERE}))
            )
    return Found(patterns, unknown)


def literal_arguments(file: str, function: str) -> list[tuple[int, str]]:
    """Line and first argument of each call of a function in a file, or anywhere for "*"."""
    found = []
    for path in sorted(ROOT.rglob("*.py")) if file == "*" else [ROOT / file]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and _last_name(node.func) == function:
                value = ast.literal_eval(node.args[0])
                assert isinstance(value, str)
                found.append((node.lineno, value))
    return found


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _function(call: ast.Call) -> str:
    assert isinstance(call.func, ast.Attribute)
    return call.func.attr


def _is_re(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "re"
        and node.func.attr in _FLAGS_AT
    )


def _calls(tree: ast.Module) -> Iterator[tuple[ast.Call, str, str | None]]:
    """Calls of `re`, with the function each is in and the name its result gets."""
    owners: list[tuple[str, ast.AST]] = [("", tree)]
    while owners:
        owner, node = owners.pop()
        for child in ast.iter_child_nodes(node):
            inner = child.name if isinstance(child, ast.FunctionDef) else owner
            owners.append((inner, child))
            renamed = isinstance(child, ast.alias) and child.name == "re" and child.asname
            if renamed or (isinstance(child, ast.ImportFrom) and child.module == "re"):
                raise AssertionError("import the module re as it is, so that its uses are found")
            if isinstance(child, ast.Call) and _is_re(child):
                target = None
                if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                    target = node.targets[0].id
                yield child, inner, target


def _methods(trees: Any) -> dict[str, set[str]]:
    """What is called on each name, in all modules together."""
    found: dict[str, set[str]] = {}
    for tree in trees:
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.attr in _FLAGS_AT
            ):
                found.setdefault(node.value.id, set()).add(node.attr)
    return found


def _values(name: str, call: ast.Call) -> tuple[str | bytes, int]:
    """Pattern and flags. Raises NameError when they are made of what a function is given."""
    flags = next((each.value for each in call.keywords if each.arg == "flags"), None)
    at = _FLAGS_AT[_function(call)]
    if flags is None and len(call.args) > at:
        flags = call.args[at]
    pattern = _evaluated(name, call.args[0])
    return pattern, int(re.RegexFlag(_evaluated(name, flags) if flags else 0))


def _evaluated(name: str, node: ast.expr) -> Any:
    module = importlib.import_module("gmapi." + name.removesuffix(".py").replace("/", "."))
    return eval(compile(ast.Expression(node), name, "eval"), dict(vars(module)))
