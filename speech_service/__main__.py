"""Entry point: ``speech-service`` and ``python -m speech_service``."""

import sys


def main() -> int:
    """Run the command line; returns the exit code."""
    from speech_service.cli import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
