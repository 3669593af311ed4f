"""Measures what eight bits change in a recognizer's decoder, without a server."""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from speech_service.config.tree import ConfigError
from speech_service.engines.qwen3.asr.build import AsrNumerics, load, record
from speech_service.engines.qwen3.checkpoint.reading import DTYPES
from speech_service.engines.qwen3.nn.quantize import layer_errors, quantiser
from speech_service.engines.qwen_release.hub import CheckpointError
from speech_service.engines.runtimes.torch import open_device

_MAX_POSITIONS = 2048
_ROWS = 512
"""Tokens that each layer is measured with."""


@dataclass(frozen=True, slots=True)
class LayerReport:
    """Root mean square of a layer's error over that of its output."""

    name: str
    error: float
    smoothed_error: float | None
    """With smoothing fitted to the same recordings; None: the method has none."""


def report_quantization(
    source: str, revision: str, numbers: AsrNumerics, recordings: Sequence[Path]
) -> list[LayerReport]:
    """Measure what eight bits change in each linear layer of the decoder, on what it is given by recordings.

    Args:
        source: as for :func:`build.load`; ``revision`` likewise.
        numbers: ``quantize`` is the method that is measured.
        recordings: files or folders.

    Raises:
        ConfigError: the checkpoint or a recording cannot be used, or the machine lacks the method.
    """
    dtype = DTYPES[numbers.dtype]
    plain = quantiser(numbers.quantize, dtype, numbers.device)
    assert plain is not None, "the command line offers methods that do something"
    try:
        exact = AsrNumerics(numbers.dtype, numbers.device, "none", packs=False)
        loaded = load(source, revision, exact, _MAX_POSITIONS)
    except CheckpointError as error:
        raise ConfigError(f"--model: {error}") from error
    recorder = record(loaded, open_device(numbers.device), list(recordings), _ROWS)
    errors = layer_errors(loaded.decoder, plain, recorder.inputs)
    if numbers.quantize != "int8":
        return [LayerReport(each.name, each.relative_rms, None) for each in errors]
    smooth = quantiser(numbers.quantize, dtype, numbers.device, recorder.peaks)
    assert smooth is not None
    smoothed = layer_errors(loaded.decoder, smooth, recorder.inputs)
    return [
        LayerReport(each.name, each.relative_rms, better.relative_rms)
        for each, better in zip(errors, smoothed, strict=True)
    ]
