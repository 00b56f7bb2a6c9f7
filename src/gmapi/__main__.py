"""`python -m gmapi` is the `gmapi` command."""

from gmapi.cli import main

if __name__ == "__main__":
    main()
