"""The `gmapi` command and `python -m gmapi`, by which also the processes of a server start."""

import atexit
import gc
import os
import sys

# What is loaded at a start stays: to look through it for garbage as often as usual takes a
# fourteenth of the start, and to look for plugins of pydantic, which this program has none of,
# half as much. To look through all of it once more when the process ends, only to free it, takes
# a quarter of a short run.
gc.set_threshold(10_000, 10, 10)
atexit.register(gc.freeze)
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

# With `-m` Python looks for modules in the current folder first, whatever lies there. This package
# itself is found already, also where it is not installed.
if not sys.flags.safe_path and sys.path[:1] == [os.getcwd()]:
    del sys.path[0]

from gmapi.cli import main  # noqa: E402

if __name__ == "__main__":
    main()
