"""`python main.py --port 5000` is `gmapi serve --port 5000`."""

import sys

from gmapi.__main__ import main

main(["serve", *sys.argv[1:]])
