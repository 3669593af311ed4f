"""What the commands have in common that write a part of a checkpoint as an ONNX file."""

import argparse
from pathlib import Path
from typing import Literal

from speech_service.cli.failure import ExitCode, missing_extra


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--model", required=True, metavar="FOLDER", help="checkpoint: a folder or a hub id"
    )
    parser.add_argument("--revision", default="", help="branch, tag or commit of a hub id")
    parser.add_argument(
        "--out", required=True, type=Path, metavar="FILE", help="ONNX file to write"
    )


def write(given: argparse.Namespace, part: Literal["encoder", "codec"]) -> int:
    """Write the file; of an encoder, ``given.dtype`` says what it computes in.

    Raises:
        CommandError: an extra is not installed.
        ConfigError: the checkpoint cannot be used, or the file cannot be written.
    """
    try:
        from speech_service.engines.qwen3.export import export_codec, export_encoder
    except ModuleNotFoundError as error:
        raise missing_extra("server,qwen", str(error.name)) from error
    if part == "encoder":
        size = export_encoder(given.model, given.revision, given.out, given.dtype)
    else:
        size = export_codec(given.model, given.revision, given.out)
    print(f"{given.out}: {size / 1e6:.1f} MB")
    return ExitCode.OK
