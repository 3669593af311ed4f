"""What the command line does with a synthesizer's checkpoint, without a server."""

from pathlib import Path

from speech_service.config.tree import ConfigError
from speech_service.engines.qwen3.checkpoint.reading import open_checkpoint
from speech_service.engines.qwen3.codec.runtimes.graph import CodecTooLargeError, codec_graph
from speech_service.engines.qwen3.tts.config import read_tts_config
from speech_service.engines.qwen3.tts.model import TtsNumerics, load_codec
from speech_service.engines.qwen_release.hub import CheckpointError
from speech_service.engines.qwen_release.synthesis import MODEL_TYPE


def export_codec(source: str, revision: str, out: Path) -> int:
    """Write the codec's decoder of a checkpoint as an ONNX file; returns its bytes.

    Raises:
        ConfigError: the checkpoint cannot be used, or the file cannot be written.
    """
    try:
        checkpoint = open_checkpoint(source, MODEL_TYPE, revision)
        config = read_tts_config(checkpoint.files)
        graph = codec_graph(load_codec(checkpoint, config, TtsNumerics()))
    except (CheckpointError, CodecTooLargeError) as error:
        raise ConfigError(f"--model: {error}") from error
    try:
        return out.write_bytes(graph)
    except OSError as error:
        raise ConfigError(f"--out: {str(out)!r} cannot be written: {error.strerror}") from error
