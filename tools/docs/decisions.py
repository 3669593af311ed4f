"""The list of decisions, from the title and the status of each page."""

import re
from pathlib import Path

from tools.docs.text import heading_row, row

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "decisions"
HEAD = """\
# Decisions

<!-- Written by `make docs` from the pages beside it. -->

What is hard to take back, and why it was chosen. [The first](0001-record-decisions.md) says what such a page holds.
"""


def page() -> str:
    """Give the whole page."""
    lines = [_line(path) for path in sorted(FOLDER.glob("[0-9]*.md"))]
    return "\n".join([HEAD, heading_row("decision", "status"), *lines]) + "\n"


def _line(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    title = re.search(r"^# (.+)$", text, re.MULTILINE)
    status = re.search(r"^Status: (.+)$", text, re.MULTILINE)
    if title is None or status is None:
        raise ValueError(f"{path.name}: begins with `# N. Title` and has a line `Status: ...`")
    return row(f"[{title[1]}]({path.name})", status[1])
