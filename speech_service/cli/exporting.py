"""What the commands have in common that write a part of a checkpoint as an ONNX file."""

import argparse
from collections.abc import Callable
from pathlib import Path

from speech_service.cli.failure import ExitCode, missing_extra

Export = Callable[[str, str, Path], int]
"""Checkpoint, revision, file -> bytes written."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--model", required=True, metavar="FOLDER", help="checkpoint: a folder or a hub id"
    )
    parser.add_argument("--revision", default="", help="branch, tag or commit of a hub id")
    parser.add_argument(
        "--out", required=True, type=Path, metavar="FILE", help="ONNX file to write"
    )


def write(given: argparse.Namespace, load: Callable[[], Export]) -> int:
    """Write the file with what ``load`` imports.

    Raises:
        CommandError: an extra is not installed.
        ConfigError: the checkpoint cannot be used, or the file cannot be written.
    """
    try:
        export = load()
    except ModuleNotFoundError as error:
        raise missing_extra("server,qwen", str(error.name)) from error
    size = export(given.model, given.revision, given.out)
    print(f"{given.out}: {size / 1e6:.1f} MB")
    return ExitCode.OK
