"""ffmpeg: where it is, how its command is built, how its output is read."""
