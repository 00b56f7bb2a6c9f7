"""The HTTP face: routes, answers, waiting, streaming and file sending."""
