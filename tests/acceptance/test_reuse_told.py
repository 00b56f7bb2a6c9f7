"""Which requests led to a conversion, and which sources were fetched: told by answers and
`/health`."""

from __future__ import annotations

from pathlib import Path

from support.http.origin import Origin
from support.product.server import GmapiServer, wait_for


def test_results_and_sources_that_were_there(
    origin: Origin, media_dir: Path, tmp_path: Path
) -> None:
    url = origin.add("/reuse.mp3", (media_dir / "song.mp3").read_bytes(), etag='"reuse"')
    song = {"input_url": url, "output_format": "ogg"}
    with GmapiServer(tmp_path / "data") as server:

        def led_to(way: str, **fields: object) -> str | None:
            answer = server.post(f"/api/ffmpeg{way}", {**song, **fields})
            assert answer.status in (200, 202)
            return answer.headers.get("X-Cache")

        def told() -> dict[str, dict[str, int]]:
            found: dict[str, dict[str, int]] = server.get("/health").json()["cache"]
            return found

        assert led_to("") == "miss"
        assert led_to("") == "hit"
        assert led_to("/async") == "hit"
        assert led_to("", args=["-t", "1"]) == "miss"
        assert told()["results"] == {"hits": 2, "joins": 0, "misses": 2}
        wanted = {"hits": 1, "joins": 0, "misses": 1}
        wait_for(lambda: told()["sources"] == wanted, what="what the workers tell of sources")
