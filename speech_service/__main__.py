"""Entry point: ``speech-service`` and ``python -m speech_service``."""

import sys

_INTERRUPTED = 130
"""The exit code after Ctrl-C. The table of all is in ``speech_service.cli``, whose import may be interrupted."""


def main() -> int:
    """Run the command line; returns the exit code."""
    try:
        from speech_service.cli import run

        return run(sys.argv[1:])
    except KeyboardInterrupt:  # While modules are imported, mostly: commands take it themselves.
        return _INTERRUPTED


def _leave_current_folder() -> None:
    """Search no module in the folder that we happen to run in, as ``-m`` makes Python do: others may write there.

    What is found there otherwise, by PYTHONPATH or as an installed package, still is.
    """
    if not sys.flags.safe_path:
        del sys.path[0]


if __name__ == "__main__":
    _leave_current_folder()
    sys.exit(main())
