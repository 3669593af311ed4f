"""Recordings that an operator names, for calibration and reports."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from speech_service.config.tree import ConfigError
from speech_service.domain.audio import Samples
from speech_service.domain.errors import SpeechError
from speech_service.media.decode.pool import DecoderPool, decode_file
from speech_service.media.resample import StreamResampler, downmix


def read_recordings(places: Sequence[Path], most: int) -> list[Samples]:
    """Read the first ``most`` recordings. Not for a thread that runs an event loop.

    Args:
        places: files in any container that the service takes, or folders of them.
        most: how many at most, in order of their names within a folder.

    Returns:
        float32 [n] each, 16 kHz.

    Raises:
        ConfigError: one is not there or cannot be decoded, or there is none.
    """
    files: list[Path] = []
    for place in places:
        if place.is_dir():
            files += sorted(file for file in place.iterdir() if file.is_file())
        else:
            files.append(place)
    if not files:
        raise ConfigError("no recordings: the folder is empty")
    return asyncio.run(_decode(files[:most]))


async def _decode(files: Sequence[Path]) -> list[Samples]:
    pool = DecoderPool(strict=True)
    try:
        return [await _decode_one(pool, file) for file in files]
    finally:
        await pool.close()


async def _decode_one(pool: DecoderPool, file: Path) -> Samples:
    try:
        block = await decode_file(pool, await asyncio.to_thread(file.read_bytes))
    except OSError as error:
        raise ConfigError(f"recording {str(file)!r} cannot be read: {error.strerror}") from error
    except SpeechError as error:
        raise ConfigError(f"recording {str(file)!r}: {error}") from error
    mono = downmix(block.samples)[:, None]
    return StreamResampler(block.sample_rate_hz).push(mono, last=True)[:, 0]
