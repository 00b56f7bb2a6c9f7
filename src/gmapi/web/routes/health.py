"""How the server fares, and what is at its root."""

from __future__ import annotations

from flask import Response, request
from flask_openapi3 import OpenAPI, Tag

from gmapi import __version__
from gmapi.jobs.model import State
from gmapi.jobs.service import JobService
from gmapi.tools.registry import TOOLS
from gmapi.web.address import addresses
from gmapi.web.answers import json_response, reason_phrase, success
from gmapi.web.gate import gate
from gmapi.web.reuse import ReuseCounts, total
from gmapi.web.schemas import HealthAnswer, IndexAnswer

TAG = Tag(name="server", description="The server itself")
NO_KERNELS = {"name": "unknown", "detail": "no worker is alive to tell"}

STRANGERS_SECONDS = 3.0
"""How old may be what strangers are told, however many of them ask."""


def register(app: OpenAPI, service: JobService, reuse: ReuseCounts) -> None:
    """Add `/health` and `/`."""

    @app.get(
        "/health",
        summary="Whether the server can work, and how busy it is",
        description="503 when it cannot work; `problems` says why. Strangers see the status only.",
        tags=[TAG],
        responses={"200": HealthAnswer, "503": HealthAnswer},
    )
    def health() -> Response:
        if not gate().knows_details():
            state = service.health(STRANGERS_SECONDS)
            healthy = not state.problems
            return json_response({"status": "ok" if healthy else "error"}, 200 if healthy else 503)
        state = service.health()
        info = state.workers[0].info if state.workers else {}
        fields = {
            "status": "error" if state.problems else "ok",
            "version": __version__,
            "ffmpeg": info.get("ffmpeg", "unknown"),
            "problems": state.problems,
            "queue": {
                "waiting": state.states[State.PENDING],
                "running": state.states[State.RUNNING],
                "completed": state.states[State.COMPLETED],
                "failed": state.states[State.ERROR],
                "cancelled": state.states[State.CANCELLED],
            },
            "workers": {
                "alive": len(state.workers),
                "expected": service.settings.workers,
                "busy": sum(1 for worker in state.workers if worker.job_id),
            },
            "disk": {
                "used_bytes": state.used_bytes,
                "free_bytes": state.free_bytes,
                "budget_bytes": int(service.settings.disk_budget),
            },
            "cache": {
                "results": reuse.shown(),
                "sources": total(worker.info.get("sources") for worker in state.workers),
            },
            "database": "ok" if state.database_ok else "error",
            "sandbox": {
                "state": info.get("sandbox", "unknown"),
                "missing": info.get("sandbox_missing", []),
            },
            "kernels": info.get("kernels", NO_KERNELS),
        }
        response = json_response(fields, 503 if state.problems else 200)
        if state.problems:
            response.status = f"503 {reason_phrase(state.problems[0], 503)}"
        return response

    @app.get("/", summary="What this is", tags=[TAG], responses={"200": IndexAnswer})
    def index() -> Response:
        base = addresses().base(request.environ)
        return success(
            {
                "name": "GMapiServer",
                "version": __version__,
                "documentation": f"{base}/docs",
                "openapi": f"{base}/openapi.json",
                "health": f"{base}/health",
                "tools": [f"{base}/api/{name}" for name in TOOLS],
            }
        )
