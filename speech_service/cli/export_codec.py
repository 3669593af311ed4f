"""``speech-service export-codec``: the codec decoder of a Qwen3-TTS checkpoint as an ONNX file.

Options ``codec = "onnx"`` and ``"tensorrt"`` of ``synthesizer/qwen3`` read it.
"""

import argparse
from pathlib import Path

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


def run(given: argparse.Namespace) -> int:
    """Write the file.

    Raises:
        CommandError: an extra is not installed.
        ConfigError: the checkpoint cannot be used, or the file cannot be written.
    """
    try:
        from speech_service.engines.qwen3.tts.tools import export_codec
    except ModuleNotFoundError as error:
        raise missing_extra("server,qwen", str(error.name)) from error
    size = export_codec(given.model, given.revision, given.out)
    print(f"{given.out}: {size / 1e6:.1f} MB")
    return ExitCode.OK
