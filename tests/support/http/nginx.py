"""A real nginx on loopback, with the configuration that the documentation gives."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Self

from support.product.server import wait_for

PROGRAM = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
ROOT = Path(__file__).parents[3]
_FRAME = """\
daemon off;
master_process off;
error_log stderr;
pid {folder}/nginx.pid;
events {{}}
http {{
access_log off;
client_body_temp_path {folder}/body;
proxy_temp_path {folder}/proxy;
fastcgi_temp_path {folder}/fastcgi;
uwsgi_temp_path {folder}/uwsgi;
scgi_temp_path {folder}/scgi;
{block}
}}
"""


def documented() -> str:
    """The configuration in the documentation."""
    page = "docs/run-a-server.md"
    found = re.findall(r"^```nginx\n(.*?)^```", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE)
    assert len(found) == 1, f"{page} has {len(found)} configurations of nginx"
    return str(found[0])


class Nginx:
    """Runs `block` of a configuration in front of a server on `upstream`; a context manager.

    Of the block only its two ports are changed: the one it listens on, and that of the server.
    """

    def __init__(self, folder: Path, upstream: int, block: str) -> None:
        assert PROGRAM is not None
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        assert block.count("listen 80;") == 1
        assert "127.0.0.1:5000" in block
        block = block.replace("listen 80;", f"listen 127.0.0.1:{self.port};")
        block = block.replace("127.0.0.1:5000", f"127.0.0.1:{upstream}")
        folder.mkdir()
        self._config = folder / "nginx.conf"
        self._config.write_text(_FRAME.format(folder=folder, block=block))
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [str(PROGRAM), "-p", str(self._folder), "-c", str(self._config)],
            stdin=subprocess.DEVNULL,
        )
        try:
            wait_for(self._answers, 20, "nginx")
        except BaseException:
            self.__exit__()
            raise
        return self

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "nginx has ended"
        try:
            socket.create_connection(("127.0.0.1", self.port), 5).close()
        except ConnectionRefusedError:
            return False
        return True

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(20)
