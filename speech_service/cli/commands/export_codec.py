"""``speech-service export-codec``: the codec decoder of a Qwen3-TTS checkpoint as an ONNX file.

Options ``codec = "onnx"`` and ``"tensorrt"`` of ``synthesizer/qwen3`` read it.
"""

import argparse

from speech_service.cli.exporting import add_arguments, write

__all__ = ["add_arguments", "run"]


def run(given: argparse.Namespace) -> int:
    """Write the file; raises what :func:`write` does."""
    return write(given, "codec")
