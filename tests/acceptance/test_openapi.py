"""The OpenAPI document: valid, complete, true of real answers; and its page works offline."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from openapi_spec_validator import validate
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from support.http.origin import Origin
from support.product.server import GmapiServer, wait_for

CONFORMANCE = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# Answers from 500 up that callers are told of; anything else is a fault of the server.
KNOWN_5XX = {503, 507}
EXAMPLES = 10
REFUSALS = ("400", "403", "408", "413", "421", "429", "503", "507")
ROUTES = {
    **{
        f"/api/{tool}{suffix}": ["post"]
        for tool in ("ffmpeg", "radio", "sanjuuni", "video_frame")
        for suffix in ("", "/async")
    },
    "/api/framepack": ["post"],
    "/api/framepack/{task_id}/{frames}": ["get"],
    "/api/task/{task_id}": ["get", "delete"],
    "/api/task/{task_id}/cancel": ["post"],
    "/api/task/{task_id}/events": ["get"],
    "/api/task/{task_id}/ws": ["get"],
    "/api/tasks": ["get"],
    "/download/{file_id}/{name}": ["get"],
    "/stream/{task_id}/sound/{number}/{channel}": ["get"],
    "/frames/{task_id}/{name}": ["get"],
    "/health": ["get"],
    "/": ["get"],
}
CALL_SECONDS = 20


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GmapiServer]:
    """A server of its own, since generated requests fill its list of tasks."""
    with GmapiServer(
        tmp_path_factory.mktemp("fuzzed"), workers=1, body_max_bytes=200_000
    ) as server:
        yield server


@pytest.fixture(scope="module")
def fuzzed_api(fuzzed: GmapiServer) -> Any:
    return schemathesis.openapi.from_url(f"{fuzzed.base}/openapi.json")


@pytest.fixture(scope="session")
def document(server: GmapiServer) -> dict[str, Any]:
    answer = server.get("/openapi.json")
    assert answer.headers["Content-Type"] == "application/json"
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture(scope="session")
def api(document: dict[str, Any], server: GmapiServer) -> Any:
    found = schemathesis.openapi.from_dict(document)
    found.config.update(base_url=server.base)
    return found


# -- the document ------------------------------------------------------------------------------


def test_the_document_is_valid(document: dict[str, Any]) -> None:
    validate(document)
    assert document["openapi"].startswith("3.1")
    assert document["info"]["license"]["name"] == "MIT"


def test_what_refers_elsewhere_says_nothing_else(document: dict[str, Any]) -> None:
    """Linters complain of it, and older programs read only one of the two."""

    def look(value: Any, place: str) -> None:
        if isinstance(value, dict):
            assert "$ref" not in value or len(value) == 1, place
            for key, item in value.items():
                look(item, f"{place}/{key}")
        elif isinstance(value, list):
            for item in value:
                look(item, place)

    look(document, "")
    quality = document["components"]["schemas"]["ScreenResult"]["properties"]["quality"]
    assert quality["allOf"] == [{"$ref": "#/components/schemas/Quality"}]
    assert quality["description"]


def test_both_addresses_give_the_same(server: GmapiServer) -> None:
    assert server.get("/docs/openapi.json").body == server.get("/openapi.json").body


def test_every_route_is_documented(document: dict[str, Any]) -> None:
    found = {path: set(operations) for path, operations in document["paths"].items()}
    assert found == {path: set(methods) for path, methods in ROUTES.items()}


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


def test_every_operation_says_what_it_does_and_answers(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, operation in operations(document)]
    assert len(set(ids)) == len(ids)
    tags = {tag["name"]: tag["description"] for tag in document["tags"]}
    for name, operation in operations(document):
        assert operation["summary"], name
        assert set(operation["tags"]) <= set(tags), name
        assert all(tags.values())
        for parameter in operation.get("parameters", []):
            assert parameter["description"], name
        for code, response in operation["responses"].items():
            assert response["description"], (name, code)
            if code in ("101", "204", "304", "412", "416"):
                assert "content" not in response
            elif int(code) >= 400 and "health" not in name:
                schema = response["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/Failure"}, (name, code)
            if code in ("429", "503", "507") and "health" not in name:
                assert "Retry-After" in response["headers"], (name, code)


@pytest.mark.parametrize(
    ("operation", "codes"),
    [
        ("post /api/ffmpeg", {"200", *REFUSALS}),
        ("post /api/ffmpeg/async", {"200", "202", *REFUSALS}),
        ("post /api/radio", {"200", "202", *REFUSALS}),
        ("post /api/sanjuuni", {"200", *REFUSALS}),
        ("post /api/video_frame", {"200", *REFUSALS}),
        ("post /api/task/{task_id}/cancel", {"200", "403", "404", "503", "507"}),
        ("delete /api/task/{task_id}", {"200", "403", "404", "503", "507"}),
        ("post /api/framepack", {"200", "400", "404", "408", "413", "421", "503"}),
        (
            "get /api/framepack/{task_id}/{frames}",
            {"200", "304", "400", "404", "412", "413", "421", "503"},
        ),
        ("get /api/task/{task_id}", {"200", "400", "404", "421"}),
        ("get /download/{file_id}/{name}", {"200", "206", "304", "404", "412", "416"}),
        ("get /frames/{task_id}/{name}", {"200", "206", "304", "404", "412", "416", "503"}),
        ("get /health", {"200", "503"}),
    ],
)
def test_the_codes_that_programs_meet(
    document: dict[str, Any], operation: str, codes: set[str]
) -> None:
    assert codes <= set(dict(operations(document))[operation]["responses"])


@pytest.mark.parametrize(
    ("operation", "place", "names"),
    [
        ("get /api/task/{task_id}", "query", {"since", "wait"}),
        ("get /api/task/{task_id}/events", "query", {"since"}),
        ("get /api/task/{task_id}/events", "header", {"Last-Event-ID"}),
        ("get /api/task/{task_id}/ws", "query", {"since"}),
        ("get /api/tasks", "query", {"state", "tool", "limit", "offset"}),
        ("get /download/{file_id}/{name}", "header", {"Range", "If-Range", "If-Match"}),
        ("get /frames/{task_id}/{name}", "header", {"Range", "If-Unmodified-Since"}),
        ("get /api/framepack/{task_id}/{frames}", "header", {"If-None-Match", "If-Match"}),
        ("get /api/framepack/{task_id}/{frames}", "path", {"task_id", "frames"}),
    ],
)
def test_the_parameters_that_programs_send(
    document: dict[str, Any], operation: str, place: str, names: set[str]
) -> None:
    parameters = dict(operations(document))[operation]["parameters"]
    assert names <= {one["name"] for one in parameters if one["in"] == place}


def test_a_task_has_the_result_of_its_tool(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    result = schemas["TaskAnswer"]["properties"]["result"]["anyOf"]
    names = [one["$ref"].rpartition("/")[2] for one in result]
    # Readers take the first that fits, and a screen has all that a file has.
    assert names == ["ScreenResult", "FileResult", "RadioResult", "VideoFrameResult", "NoResult"]
    for name in names:
        assert '"null"' not in json.dumps(schemas[name])
    assert schemas["NoResult"]["additionalProperties"] is False
    answers = document["paths"]["/api/ffmpeg/async"]["post"]["responses"]
    assert set(answers["202"]["headers"]) == {"Location", "Retry-After", "X-Cache"}
    assert set(answers["200"]["headers"]) == {"X-Cache"}
    waited = document["paths"]["/api/sanjuuni"]["post"]["responses"]["200"]
    assert set(waited["headers"]) == {"X-Cache"}


def test_binary_answers_are_labelled_so(document: dict[str, Any]) -> None:
    found = dict(operations(document))
    for way in ("post /api/framepack", "get /api/framepack/{task_id}/{frames}"):
        pack = found[way]["responses"]["200"]["content"]
        assert set(pack) == {"application/octet-stream"}
    frame = found["get /frames/{task_id}/{name}"]["responses"]["200"]["content"]
    assert set(frame) == {"image/png", "image/jpeg"}
    events = found["get /api/task/{task_id}/events"]["responses"]["200"]["content"]
    assert set(events) == {"text/event-stream"}


def test_bodies_have_bounds_and_an_example_that_is_accepted(
    document: dict[str, Any], server: GmapiServer
) -> None:
    schemas = document["components"]["schemas"]
    frame = schemas["VideoFrameRequest"]["properties"]
    width = next(kind for kind in frame["w"]["anyOf"] if kind["type"] == "integer")
    assert (width["minimum"], width["maximum"]) == (1, 4096)
    assert (frame["fps"]["minimum"], frame["fps"]["maximum"]) == (0.1, 60)
    urls = schemas["FramepackRequest"]["properties"]["urls"]
    assert (urls["minItems"], urls["maxItems"]) == (1, 256)
    for tool in ("Ffmpeg", "Sanjuuni", "VideoFrame"):
        example = schemas[f"{tool}Request"]["example"]
        route = f"/api/{re.sub('(?<!^)(?=[A-Z])', '_', tool).lower()}/async"
        accepted = server.post(route, example)
        assert accepted.status in (200, 202), accepted.body


def test_no_answer_may_be_null(document: dict[str, Any]) -> None:
    for name in ("Failure", "Accepted", "TaskAnswer", "TasksAnswer", "HealthAnswer"):
        assert '"null"' not in json.dumps(document["components"]["schemas"][name])


# -- real answers ------------------------------------------------------------------------------


def check(api: Any, method: str, path: str, code: int, **parts: Any) -> Any:
    """Call an operation for real; the answer has this code and is as the document says."""
    case = api[path][method].Case(**parts)
    response = case.call_and_validate(checks=CONFORMANCE, timeout=CALL_SECONDS)
    assert response.status_code == code, response.content
    return response


def test_answers_of_tools(api: Any, origin: Origin) -> None:
    song = {"input_url": origin.url("/song.mp3"), "output_format": "wav", "args": ["-t", "1"]}
    done = check(api, "POST", "/api/ffmpeg", 200, body=song)
    assert done.json()["status"] == "success"
    bad = {**song, "input_url": origin.url("/none.mp3")}
    failed = check(api, "POST", "/api/ffmpeg", 200, body=bad)
    assert failed.json()["status"] == "error"
    check(api, "POST", "/api/ffmpeg/async", 200, body=song)
    check(api, "POST", "/api/ffmpeg/async", 202, body={**song, "args": ["-t", "2"]})
    check(api, "POST", "/api/ffmpeg", 400, body={"output_format": 5})
    check(api, "POST", "/api/ffmpeg", 403, body={**song, "args": ["-f", "tee"]})
    picture = {"input_url": origin.url("/picture.png"), "output_format": "bimg"}
    assert check(api, "POST", "/api/sanjuuni", 200, body=picture).json()["format"] == "bimg"
    check(api, "POST", "/api/sanjuuni", 403, body={**picture, "args": ["-o", "file"]})
    video = {"video_url": origin.url("/clip.mp4"), "w": 32, "h": 24}
    frames = check(api, "POST", "/api/video_frame", 200, body=video).json()
    assert frames["status"] == "success"
    path = {"task_id": failed.json()["task_id"]}
    assert check(api, "GET", "/api/task/{task_id}", 200, path_parameters=path).json()["error"]


def test_answers_of_stations(api: Any, origin: Origin) -> None:
    station = {"input_url": origin.url("/radio")}
    task = check(api, "POST", "/api/radio", 202, body=station).json()["task_id"]
    check(api, "POST", "/api/radio", 400, body={"input_url": 5})
    second = "/stream/{task_id}/sound/{number}/{channel}"
    values = {"task_id": task, "number": "1", "channel": "left"}

    def is_there() -> bool:
        return bool(api[second]["GET"].Case(path_parameters=values).call().status_code == 200)

    wait_for(is_there, 30, "a second")
    check(api, "GET", second, 200, path_parameters=values)
    for code, header in ((206, {"Range": "bytes=0-9"}), (416, {"Range": "bytes=9999-"})):
        check(api, "GET", second, code, path_parameters=values, headers=header)
    check(api, "GET", second, 404, path_parameters={**values, "number": "99999"})
    path = {"task_id": task}

    def is_told() -> bool:
        found = check(api, "GET", "/api/task/{task_id}", 200, path_parameters=path).json()
        return bool(found["result"].get("on_air"))

    wait_for(is_told, 30, "a station on the air")
    check(api, "POST", "/api/task/{task_id}/cancel", 200, path_parameters=path)


def test_answers_about_tasks(api: Any, film: dict[str, Any]) -> None:
    path = {"task_id": film["task_id"]}
    for query in ({}, {"since": 0}, {"since": 0, "wait": 0}):
        found = check(api, "GET", "/api/task/{task_id}", 200, path_parameters=path, query=query)
        assert found.json()["result"]["total_frames"] == 280
    check(api, "POST", "/api/task/{task_id}/cancel", 200, path_parameters=path)
    events = check(api, "GET", "/api/task/{task_id}/events", 200, path_parameters=path)
    assert b"event: end" in events.content
    last = {"Last-Event-ID": f"{2**61}.end"}
    check(api, "GET", "/api/task/{task_id}/events", 204, path_parameters=path, headers=last)
    check(api, "GET", "/api/task/{task_id}/ws", 400, path_parameters=path)
    check(api, "GET", "/api/tasks", 200, query={"limit": 1, "tool": "video_frame"})
    check(api, "GET", "/api/tasks", 400, query={"limit": 0})
    check(api, "GET", "/health", 200)
    check(api, "GET", "/", 200)


def test_answers_to_deleting(api: Any, origin: Origin) -> None:
    song = {"input_url": origin.url("/song.mp3"), "output_format": "wav", "args": ["-t", "3"]}
    done = check(api, "POST", "/api/ffmpeg", 200, body={**song, "outputFormat": "wav"}).json()
    assert done["warnings"]
    path = {"task_id": done["task_id"]}
    gone = check(api, "DELETE", "/api/task/{task_id}", 200, path_parameters=path).json()
    assert gone["deleted"] is True
    check(api, "GET", "/api/task/{task_id}", 404, path_parameters=path)
    check(api, "DELETE", "/api/task/{task_id}", 404, path_parameters=path)


def test_answers_of_files(api: Any, film: dict[str, Any], song: dict[str, Any]) -> None:
    file = "/download/{file_id}/{name}"
    _, _, file_id, name = urlsplit(song["download_url"]).path.split("/")
    sound = film["result"]["audio_urls"]["audio_dfpwm_url"].split("/")[2:]
    frame, first = "/frames/{task_id}/{name}", "frame_000001.png"
    for path, values in (
        (file, {"file_id": file_id, "name": name}),
        (file, dict(zip(("file_id", "name"), sound, strict=True))),
        (frame, {"task_id": film["task_id"], "name": first}),
    ):
        whole = check(api, "GET", path, 200, path_parameters=values)
        for code, header in (
            (206, {"Range": "bytes=0-9"}),
            (416, {"Range": "bytes=999999999-"}),
            (304, {"If-None-Match": whole.headers["etag"][0]}),
            (412, {"If-Match": '"of another file"'}),
        ):
            check(api, "GET", path, code, path_parameters=values, headers=header)
        check(api, "GET", path, 404, path_parameters={**values, "name": "frame_000999.png"})
    urls = [f"/frames/{film['task_id']}/{first}"]
    check(api, "POST", "/api/framepack", 200, body={"urls": urls})
    check(api, "POST", "/api/framepack", 404, body={"urls": [urls[0].replace("001", "999")]})
    packs = "/api/framepack/{task_id}/{frames}"
    values = {"task_id": film["task_id"], "frames": "1-20"}
    whole = check(api, "GET", packs, 200, path_parameters=values)
    for code, header in (
        (304, {"If-None-Match": whole.headers["etag"][0]}),
        (412, {"If-Match": '"of another pack"'}),
    ):
        check(api, "GET", packs, code, path_parameters=values, headers=header)
    for frames, code in (("999-1000", 404), ("9-1", 400), ("0-1", 400)):
        check(api, "GET", packs, code, path_parameters={**values, "frames": frames})


# -- generated requests ------------------------------------------------------------------------

# Nothing can be wrong with a request that has no parts.
WITHOUT_PARTS = ("/", "/health")
OPERATIONS = [
    (method.upper(), path, mode)
    for path, methods in ROUTES.items()
    for method in methods
    for mode in GenerationMode
    if not (mode is GenerationMode.NEGATIVE and path in WITHOUT_PARTS)
]


@pytest.mark.parametrize(("method", "path", "mode"), OPERATIONS)
def test_generated_requests_are_answered_as_documented(
    fuzzed_api: Any, origin: Origin, method: str, path: str, mode: GenerationMode
) -> None:
    # Tests fetch from nowhere but the loopback origin.
    nowhere = origin.url("/none")

    @given(case=fuzzed_api[path][method].as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def call(case: Any) -> None:
        if isinstance(case.body, dict):
            for field in ("input_url", "video_url"):
                text = str(case.body.get(field, ""))
                if "://" in text or (text and mode is GenerationMode.POSITIVE):
                    case.body[field] = nowhere
            if isinstance(case.body.get("input_urls"), list):
                case.body["input_urls"] = [nowhere] * len(case.body["input_urls"])
        response = case.call(timeout=CALL_SECONDS)
        assert response.status_code < 500 or response.status_code in KNOWN_5XX, response.content
        case.validate_response(response, checks=CONFORMANCE)

    call()


def test_the_server_is_well_after_all_this(fuzzed: GmapiServer) -> None:
    assert fuzzed.get("/health").status == 200
    assert "Traceback" not in fuzzed.log_text()


# -- the page ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/docs", "/docs/"])
def test_the_page_works_offline(server: GmapiServer, path: str) -> None:
    page = server.get(path)
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    text = page.body.decode()
    links = re.findall(r'(?:src|href|data-document)="([^"]+)"', text)
    assert len(links) >= 5
    for link in links:
        if link == "data:,":
            continue
        assert "//" not in link
        found = server.get(urljoin(path, link))
        assert found.status == 200, link
        assert found.body
    # Nothing inline: what the policy forbids, the page does not need.
    assert not re.search(r"<script>|<style>|\son\w+=|\sstyle=", text)


def test_the_page_may_reach_this_server_only(server: GmapiServer) -> None:
    rules = [
        rule.split() for rule in server.get("/docs").headers["Content-Security-Policy"].split(";")
    ]
    policy = {rule[0]: set(rule[1:]) for rule in rules}
    assert policy["default-src"] == {"'none'"}
    assert policy["frame-ancestors"] == {"'none'"}
    for sources in policy.values():
        assert sources <= {"'none'", "'self'", "data:"}


def test_the_page_has_what_it_calls(server: GmapiServer) -> None:
    script = server.get("/docs/page.js").body
    assert b"validatorUrl: null" in script  # or it would ask a foreign host
    assert b"SwaggerUIBundle" in server.get("/docs/swagger-ui-bundle.js").body
    assert server.get("/docs/swagger-ui.css").headers["Content-Type"].startswith("text/css")
