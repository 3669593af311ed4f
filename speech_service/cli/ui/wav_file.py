"""WAV files: the lengths of one that was streamed, and the samples of one to draw."""

import io
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from speech_client.sources import is_pipe, parse_wav
from speech_service.cli.failure import CommandError, ExitCode

_HEADER_LIMIT = 64 * 1024
_MAX_LENGTH = 0xFFFF_FFFF


def complete_header(file: BinaryIO | None) -> None:
    """Put the true lengths into the header of a WAV file that was streamed; a pipe keeps its unknown length."""
    if file is None or not (file.seekable() and file.readable()):
        return
    total = file.seek(0, io.SEEK_END)
    file.seek(0)
    wav = parse_wav(file.read(_HEADER_LIMIT))
    if wav is not None and total <= _MAX_LENGTH:
        file.seek(4)
        file.write(struct.pack("<I", total - 8))
        file.seek(wav.data_offset - 4)
        file.write(struct.pack("<I", total - wav.data_offset))
    file.seek(0, io.SEEK_END)


def read_samples(path: Path) -> tuple[npt.NDArray[np.float32], int]:
    """Give the samples of a WAV file with 16-bit or float samples, channels mixed, -1 to 1; and their rate.

    Raises:
        CommandError: the file cannot be read, or is something else.
        AudioSourceError: there is no such file.
    """
    try:
        data = b"" if is_pipe(path) else path.read_bytes()
    except OSError as error:
        raise CommandError(f"{path}: cannot be read: {error.strerror}", ExitCode.USAGE) from error
    wav = parse_wav(data[:_HEADER_LIMIT])
    if wav is None or wav.audio is None or wav.audio.encoding not in ("pcm_s16le", "pcm_f32le"):
        raise CommandError(
            f"{path}: only WAV with 16-bit or float samples can be drawn. Convert it: ffmpeg -i INPUT output.wav",
            ExitCode.USAGE,
        )
    audio = wav.audio
    body = data[wav.data_offset : wav.data_offset + wav.data_bytes]
    body = body[: len(body) - len(body) % audio.frame_bytes]
    if audio.encoding == "pcm_s16le":
        samples = np.frombuffer(body, "<i2").astype(np.float32) / 32768
    else:
        samples = np.frombuffer(body, "<f4").astype(np.float32)
    mixed = samples.reshape(-1, audio.channel_count).mean(axis=1, dtype=np.float32)
    return mixed, audio.sample_rate_hz
