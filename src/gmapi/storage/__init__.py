"""Published files and frames: publish, open, slice, list and delete by key."""
