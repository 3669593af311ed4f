"""``speech-service export-encoder``: the audio encoder of a Qwen3-ASR checkpoint as an ONNX file.

Options ``encoder = "onnx"`` and ``"tensorrt"`` of ``recognizer/qwen3`` read it.
"""

import argparse

from speech_service.cli.exporting import add_arguments, write

__all__ = ["add_arguments", "run"]


def run(given: argparse.Namespace) -> int:
    """Write the file; raises what :func:`write` does."""
    return write(given, "encoder")
