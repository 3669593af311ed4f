"""Writes docs/reference/configuration.md: what ``speech-service config --reference`` prints."""

from pathlib import Path

from speech_service.cli.commands.config import reference

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "configuration.md"


def main() -> None:
    """Write the page."""
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(reference(), encoding="utf-8")


if __name__ == "__main__":
    main()
