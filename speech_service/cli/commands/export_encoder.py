"""``speech-service export-encoder``: the audio encoder of a Qwen3-ASR checkpoint as an ONNX file.

Options ``encoder = "onnx"`` and ``"tensorrt"`` of ``recognizer/qwen3`` read it.
"""

import argparse

from speech_service.cli import exporting


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    exporting.add_arguments(parser)
    parser.add_argument(
        "--dtype",
        default="float32",
        choices=("float32", "float16", "bfloat16"),
        help="what TensorRT computes in; ONNX Runtime takes float32, and on a GPU float16 (default: float32)",
    )


def run(given: argparse.Namespace) -> int:
    """Write the file; raises what :func:`write` does."""
    return exporting.write(given, "encoder")
