"""Media that tests make with ffmpeg."""
