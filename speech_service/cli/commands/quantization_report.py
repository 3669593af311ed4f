"""``speech-service quantization-report``: what eight bits change in each layer of a Qwen3-ASR decoder."""

import argparse
from pathlib import Path

from speech_service.cli.failure import ExitCode, missing_extra
from speech_service.cli.streams import JsonLine, json_line
from speech_service.cli.ui.tables import Column, show

COLUMNS = (
    Column("Layer", wraps=True),
    Column("Error", right=True),
    Column("With smoothing", right=True),
)


class LayerJson(JsonLine):
    """A layer, the worst first. Errors are the root mean square of the difference over that of the layer's output."""

    layer: str
    """Name of the layer in the checkpoint."""
    error: float
    """Error with eight bits."""
    smoothed_error: float | None
    """Error with eight bits after smoothing; null where the layer cannot be smoothed."""


JSON_LINES = (LayerJson,)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "audio", nargs="+", type=Path, metavar="AUDIO", help="recordings, or folders of them"
    )
    parser.add_argument(
        "--model", required=True, metavar="FOLDER", help="checkpoint: a folder or a hub id"
    )
    parser.add_argument("--revision", default="", help="branch, tag or commit of a hub id")
    parser.add_argument(
        "--method",
        choices=("int8", "int8-weights", "fp8"),
        default="int8",
        help="form of the eight bits (default: %(default)s)",
    )
    parser.add_argument(
        "--dtype",
        choices=("float32", "bfloat16", "float16"),
        default="float32",
        help="form of the numbers that stay as they are (default: %(default)s)",
    )
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--json", action="store_true", help="one JSON object per layer and line")


def run(given: argparse.Namespace) -> int:
    """Measure and print, the worst layer first.

    Raises:
        CommandError: an extra is not installed.
        ConfigError: the checkpoint or a recording cannot be used, or this machine lacks the method.
    """
    try:
        from speech_service.engines.qwen3.asr.build import AsrNumerics
        from speech_service.engines.qwen3.asr.quantization_report import report_quantization
    except ModuleNotFoundError as error:
        raise missing_extra("server,qwen", str(error.name)) from error
    numbers = AsrNumerics(given.dtype, given.device, given.method)
    layers = report_quantization(given.model, given.revision, numbers, given.audio)
    layers.sort(key=lambda each: -each.error)
    if given.json:
        for each in layers:
            print(json_line(LayerJson(each.name, each.error, each.smoothed_error)))
    else:
        rows = [
            (
                each.name,
                f"{each.error:.2%}",
                "" if each.smoothed_error is None else f"{each.smoothed_error:.2%}",
            )
            for each in layers
        ]
        show(COLUMNS, rows)
    return ExitCode.OK
