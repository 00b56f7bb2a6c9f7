"""The OpenAPI document and its page, which needs nothing from anywhere else."""

from __future__ import annotations

import json
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

from flask import Response, request
from flask_openapi3 import OpenAPI

from gmapi.errors import NotFoundError
from gmapi.web.address import addresses
from gmapi.web.gate import FIELD, Gate
from gmapi.web.schemas import failures

# The page runs its own script only; Swagger UI styles its elements itself and has its icons
# as data addresses in its style sheet.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)

# Relative addresses, so that the page also works behind a proxy that puts a path in front.
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>GMapiServer API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{folder}swagger-ui.css">
<link rel="stylesheet" href="{folder}page.css">
</head>
<body>
<noscript>This page needs JavaScript; the document itself is at
<a href="{folder}openapi.json">{folder}openapi.json</a>.</noscript>
<div id="api" data-document="{folder}openapi.json"></div>
<script src="{folder}swagger-ui-bundle.js"></script>
<script src="{folder}page.js"></script>
</body>
</html>
"""

_SCRIPT = """"use strict";
SwaggerUIBundle({
    url: document.getElementById("api").dataset.document,
    dom_id: "#api",
    deepLinking: true,
    displayRequestDuration: true,
    defaultModelsExpandDepth: 0,
    validatorUrl: null,
});
"""

_STYLE = "body { margin: 0; background: #fafafa; }\n"

SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An access token."},
    "query": {
        "type": "apiKey",
        "in": "query",
        "name": FIELD,
        "description": "The same for clients that cannot set headers; POST also takes it as the "
        f"field `{FIELD}` of the body.",
    },
}

_SWAGGER = {
    "swagger-ui.css": "css/swagger-ui.css",
    "swagger-ui-bundle.js": "js/swagger-ui-bundle.js",
}
_OWN = {"page.js": _SCRIPT, "page.css": _STYLE}
_TYPES = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8"}


def register(app: OpenAPI, gate: Gate) -> None:
    """Add `/docs` and what it loads. Comes after all documented routes."""

    @lru_cache(8)
    def document(prefix: str) -> bytes:
        found = {**app.api_doc, "servers": [{"url": prefix or "/"}]}
        if not _declare_tokens(found, gate):
            found["components"].pop("securitySchemes", None)  # else the page offers a login
        return json.dumps(found, separators=(",", ":")).encode("ascii")

    def openapi() -> Response:
        return Response(
            document(addresses().prefix(request.environ)), content_type="application/json"
        )

    def page() -> Response:
        folder = "" if request.path.endswith("/") else "docs/"
        response = Response(_PAGE.format(folder=folder), content_type="text/html; charset=utf-8")
        response.headers["Content-Security-Policy"] = PAGE_POLICY
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    def asset(name: str) -> Response:
        if name not in _SWAGGER and name not in _OWN:
            raise NotFoundError(f"The documentation has no file {name[:80]}; see /docs.")
        content_type = _TYPES[name.rpartition(".")[2]]
        response = Response(_asset(name), content_type=content_type)
        response.headers["Cache-Control"] = "max-age=3600"
        return response

    app.add_url_rule("/docs", "docs", page)
    app.add_url_rule("/docs/", "docs", page)
    app.add_url_rule("/docs/openapi.json", "openapi_json", openapi)
    app.add_url_rule("/openapi.json", "openapi_json", openapi)
    app.add_url_rule("/docs/<name>", "docs_file", asset)


def _declare_tokens(document: dict[str, Any], gate: Gate) -> bool:
    """Say which operations need a token, and how it is sent; whether there are any."""
    declared = False
    for path, operations in document["paths"].items():
        rule = path.replace("{", "<").replace("}", ">")
        for method, operation in operations.items():
            if gate.needs_token(method.upper(), rule):
                operation["security"] = [{name: []} for name in SECURITY_SCHEMES]
                operation["responses"].update(failures("401"))
                declared = True
    if declared:
        document["components"]["securitySchemes"] = SECURITY_SCHEMES
    return declared


@cache
def _asset(name: str) -> bytes:
    if name in _OWN:
        return _OWN[name].encode()
    return (files("flask_openapi3_swagger") / "templates/swagger" / _SWAGGER[name]).read_bytes()
