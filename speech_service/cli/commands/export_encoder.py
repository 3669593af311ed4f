"""``speech-service export-encoder``: the audio encoder of a Qwen3-ASR checkpoint as an ONNX file.

Options ``encoder = "onnx"`` and ``"tensorrt"`` of ``recognizer/qwen3`` read it.
"""

import argparse

from speech_service.cli.exporting import Export, add_arguments, write

__all__ = ["add_arguments", "run"]


def run(given: argparse.Namespace) -> int:
    """Write the file; raises what :func:`write` does."""
    return write(given, _export)


def _export() -> Export:
    from speech_service.engines.qwen3.asr.tools import export_encoder

    return export_encoder
