"""Makes the reference from the code: `make docs`, or `python docs/generate.py`."""

from __future__ import annotations

from pathlib import Path

from reference_pages import pages

REFERENCE = Path(__file__).parent / "reference"


def main() -> None:
    """Write all pages, and remove those that are none any more."""
    made = pages()
    for old in REFERENCE.glob("*.md"):
        if old.name not in made:
            old.unlink()
    for name, text in made.items():
        (REFERENCE / name).write_text(text, "utf-8")
    print(f"{len(made)} pages in {REFERENCE}")


if __name__ == "__main__":
    main()
