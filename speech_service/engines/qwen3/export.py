"""Writes parts of a checkpoint as ONNX files, for the commands ``export-encoder`` and ``export-codec``."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from speech_service.config.tree import ConfigError
from speech_service.engines.formats.torch_to_onnx import GraphTooLargeError
from speech_service.engines.qwen3.asr.build import open_recognizer, read_encoder
from speech_service.engines.qwen3.checkpoint.reading import DTYPES, open_checkpoint
from speech_service.engines.qwen3.codec.runtimes.graph import codec_graph
from speech_service.engines.qwen3.encoder.graph import encoder_graph
from speech_service.engines.qwen3.tts.config import read_tts_config
from speech_service.engines.qwen3.tts.model import TtsNumerics, load_codec
from speech_service.engines.qwen_release.hub import CheckpointError
from speech_service.engines.qwen_release.synthesis import MODEL_TYPE


def export_encoder(source: str, revision: str, out: Path, dtype: str = "float32") -> int:
    """Write the audio encoder of a recognizer's checkpoint, to compute in ``dtype``; returns its bytes.

    Raises:
        ConfigError: the checkpoint cannot be used, or the file cannot be written.
    """

    def graph() -> bytes:
        return encoder_graph(read_encoder(*open_recognizer(source, revision)), DTYPES[dtype])

    return _write(out, graph)


def export_codec(source: str, revision: str, out: Path) -> int:
    """Write the codec's decoder of a synthesizer's checkpoint; returns and raises as :func:`export_encoder`."""

    def graph() -> bytes:
        checkpoint = open_checkpoint(source, MODEL_TYPE, revision)
        return codec_graph(load_codec(checkpoint, read_tts_config(checkpoint.files), TtsNumerics()))

    return _write(out, graph)


def _write(out: Path, make: Callable[[], bytes]) -> int:
    try:
        graph = make()
    except (CheckpointError, GraphTooLargeError) as error:
        raise ConfigError(f"--model: {error}") from error
    part = out.with_name(
        f".{out.name}.{os.getpid()}.part"
    )  # So an older file is never half overwritten.
    try:
        size = part.write_bytes(graph)
        part.replace(out)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise ConfigError(f"--out: {str(out)!r} cannot be written: {error.strerror}") from error
    return size
