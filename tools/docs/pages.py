"""Every page that is made from the sources: its file, and what makes it."""

from pathlib import Path

from speech_service.cli.commands.config import reference
from tools.docs import command_line, decisions, errors, metrics, rpcs

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "reference"
DECISIONS = decisions.FOLDER / "README.md"


def pages() -> dict[Path, str]:
    """Make all pages: the file of each to its content."""
    made = {
        "configuration.md": reference(),
        "errors.md": errors.page(),
        "metrics.md": metrics.page(),
        "command-line.md": command_line.page(),
        command_line.SCHEMA_FILE: command_line.schema(),
    }
    made |= {f"rpc/{name}": text for name, text in rpcs.pages().items()}
    return {FOLDER / name: text for name, text in made.items()} | {DECISIONS: decisions.page()}


def _files() -> set[Path]:
    return {path for path in (*FOLDER.rglob("*"), DECISIONS) if path.is_file()}


def stale() -> list[Path]:
    """Find the files that are not what the sources give: changed, missing or superfluous."""
    fresh = pages()
    committed = {path: path.read_text(encoding="utf-8") for path in _files()}
    return sorted(
        path for path in fresh.keys() | committed.keys() if fresh.get(path) != committed.get(path)
    )


def write() -> None:
    """Write all pages, and remove those that nothing makes any more."""
    fresh = pages()
    for path, text in fresh.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for path in _files() - fresh.keys():
        path.unlink()
