"""The kinds of jobs this server knows; a new kind is one module and one line here."""

from __future__ import annotations

from collections.abc import Mapping

from gmapi.tools.ffmpeg import FFMPEG
from gmapi.tools.radio import RADIO
from gmapi.tools.sanjuuni import SANJUUNI
from gmapi.tools.tool import Tool
from gmapi.tools.video_frame import VIDEO_FRAME

TOOLS: Mapping[str, Tool] = {tool.name: tool for tool in (FFMPEG, RADIO, SANJUUNI, VIDEO_FRAME)}
