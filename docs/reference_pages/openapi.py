"""The pages of requests and answers, of the OpenAPI document."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gmapi.jobs.service import JobService
from gmapi.settings import Settings
from gmapi.web.app import create_app
from reference_pages.markdown import code, page, table

Json = dict[str, Any]


def document() -> Json:
    """The OpenAPI document of a server that asks for tokens, with default settings."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), tokens=["reference:0123456789abcdef"])
        service = JobService(settings)
        service.start()
        try:
            found: Json = create_app(settings, service).test_client().get("/openapi.json").json
        finally:
            service.stop()
    return found


def requests_page(document: Json) -> str:
    """Each address: what it takes and what it answers."""
    parts = [
        "Each address of the API with its parameters, the fields of its body and its answers. "
        "[The requests](../requests.md) shows them by example; a running server has the same with "
        "a form for each at `/docs`, and as an OpenAPI document at `/openapi.json`. Those with "
        "a `token` need one only where the server [has tokens](../run-a-server.md#tokens).",
        table(
            ["request", "does", "token"],
            (
                (
                    f"[{code(name)}](#{anchor(name)})",
                    operation["summary"],
                    "needed" if "security" in operation else "no",
                )
                for name, operation in operations(document)
            ),
        ),
    ]
    seen: dict[str, str] = {}
    for name, operation in operations(document):
        parts += [f"## {name}", operation["summary"] + ".", _said(operation)]
        parts.append(
            table(
                ["parameter", "in", "takes", "meaning"],
                (
                    (
                        code(p["name"]),
                        p["in"],
                        kind(p["schema"], document),
                        p.get("description", ""),
                    )
                    for p in operation.get("parameters", ())
                ),
            )
        )
        schema = _json(operation.get("requestBody", {}))
        if schema:
            body = schema["$ref"].rpartition("/")[2]
            if body in seen:
                parts.append(
                    f"The fields are those of [{code(seen[body])}](#{anchor(seen[body])})."
                )
            else:
                seen[body] = name
                parts.append(fields(document["components"]["schemas"][body], document))
        parts.append(
            table(
                ["status", "answer"],
                (
                    (status, _answer(status, response))
                    for status, response in sorted(operation["responses"].items())
                ),
            )
        )
    return page("Requests", *parts)


def answers_page(document: Json) -> str:
    """Each object that answers hold."""
    schemas = document["components"]["schemas"]
    parts = [
        "The objects in answers. No answer holds `null`: a field without a value is left out. "
        "[The requests](../requests.md#answers) tells what they mean together."
    ]
    for name, schema in sorted(schemas.items()):
        if name.endswith("Request") or "enum" in schema:
            continue
        parts += [f"## {name}", _said(schema)]
        choices = [kind(choice, document) for choice in schema.get("anyOf", ())]
        parts.append("Either " + " or ".join(choices) + "." if choices else "")
        parts.append(fields(schema, document, always=True))
    return page("Answers", *parts)


def operations(document: Json) -> Iterator[tuple[str, Json]]:
    """Method and address of each request, and what the document says of it."""
    for path, methods in sorted(document["paths"].items()):
        for method, operation in methods.items():
            shown = re.sub(r"\{(\w+)\}", lambda match: match[1].upper(), path)
            yield f"{method.upper()} {shown}", operation


def anchor(heading: str) -> str:
    """The fragment of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def fields(schema: Json, document: Json, *, always: bool = False) -> str:
    """The table of an object's fields; `always` asks for those that may be absent."""
    needed = set(schema.get("required", ()))
    head = ["field", "is" if always else "takes", "there" if always else "default", "meaning"]
    rows = []
    for name, field in schema.get("properties", {}).items():
        default = field.get("default")
        if always:
            presence = "always" if name in needed or default is not None else "when known"
        elif name in needed:
            presence = "required"
        else:
            presence = "none" if default is None else code(_literal(default))
        rows.append((code(name), kind(field, document), presence, _said(field)))
    return table(head, rows)


def kind(schema: Json, document: Json) -> str:
    """What a value may be, in words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        target = document["components"]["schemas"][name]
        return (
            kind(target, document) if "enum" in target else f"[{name}](answers.md#{name.lower()})"
        )
    if "const" in schema:
        return code(schema["const"])
    if "enum" in schema:
        return ", ".join(code(value) for value in schema["enum"])
    if "anyOf" in schema or "allOf" in schema:
        choices = schema.get("anyOf", schema.get("allOf"))
        return " or ".join(
            kind(choice, document) for choice in choices if choice.get("type") != "null"
        )
    if schema.get("type") == "array":
        return f"list of {kind(schema['items'], document)}" + _bounds(schema, "Items")
    if schema.get("type") == "object":
        inner = schema.get("additionalProperties")
        return (
            f"object of {kind(inner, document)}" if isinstance(inner, dict) and inner else "object"
        )
    return _WORDS[schema.get("type", "any")] + _bounds(schema, "imum")


_WORDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "`true` or `false`",
    "any": "anything",
}


def _bounds(schema: Json, ending: str) -> str:
    low, high = schema.get(f"min{ending}"), schema.get(f"max{ending}")
    if low is not None and high is not None:
        return f", {low:,g} to {high:,g}" if high < 1e7 else f", {low:,g} or more"
    if low is not None:
        return f", {low:,g} or more"
    return f", at most {high:,g}" if high is not None else ""


def _said(holder: Json) -> str:
    found: str = holder.get("description", "")
    return found


def _link(name: str) -> str:
    return f"[{name}](answers.md#{name.lower()})"


def _literal(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _json(holder: Json) -> Json:
    found: Json = holder.get("content", {}).get("application/json", {}).get("schema", {})
    return found


def _answer(status: str, response: Json) -> str:
    schema = _json(response)
    name = schema.get("$ref", "").rpartition("/")[2]
    linked = _link(name) if name else ""
    said = _said(response)
    if linked and (status < "300" or said == "OK"):
        return linked if said == "OK" else f"{linked}: {said}"
    others = ", ".join(code(kind) for kind in response.get("content", {}) if not name)
    return said + (f" ({others})" if others else "")
