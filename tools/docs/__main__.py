"""Writes the reference below docs/reference from the sources.

python -m tools.docs          writes the pages
python -m tools.docs --check  compares; exits 1 where one is out of date
"""

import argparse
import sys

from tools.docs.pages import FOLDER, stale, write


def main() -> int:
    """Runs the command; returns the exit code."""
    parser = argparse.ArgumentParser(description="Write the reference from the sources.")
    parser.add_argument("--check", action="store_true", help="only compare")
    if not parser.parse_args().check:
        write()
        return 0
    out_of_date = stale()
    for path in out_of_date:
        print(f"out of date: {path.relative_to(FOLDER.parents[1])}; run: make docs")
    return int(bool(out_of_date))


if __name__ == "__main__":
    sys.exit(main())
