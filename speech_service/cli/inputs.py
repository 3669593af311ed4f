"""Audio that is not a file: standard input, the microphone."""

import asyncio
import sys
from collections.abc import AsyncIterator
from importlib import import_module
from typing import Any

from speech_client import RawAudio
from speech_client.sources import read_pipe
from speech_service.cli.failure import CommandError, ExitCode, missing_extra

MIC_FORMAT = RawAudio(16_000)
_BLOCK_S = 0.1
_MAX_QUEUED_BLOCKS = 300
"""30 s of microphone audio; a server that is further behind will not catch up."""


def standard_input() -> AsyncIterator[bytes]:
    """Give what comes on standard input, as it comes. Reading it raises AudioSourceError where nothing does."""
    return read_pipe(sys.stdin.fileno(), "standard input")


async def microphone() -> AsyncIterator[bytes]:
    """Give the default microphone, 16 kHz mono 16-bit, in blocks of 100 ms.

    Raises:
        CommandError: the ``mic`` extra, PortAudio or a microphone is missing, or the server cannot keep up.
    """
    loop = asyncio.get_running_loop()
    blocks: asyncio.Queue[bytes] = asyncio.Queue()

    def on_block(data: Any, frames: int, time: Any, status: Any) -> None:
        loop.call_soon_threadsafe(blocks.put_nowait, bytes(data))

    with _open_microphone(on_block):
        while True:
            if blocks.qsize() > _MAX_QUEUED_BLOCKS:
                raise CommandError(
                    "the server is 30 s behind the microphone; use a faster one or another --model",
                    ExitCode.REFUSED,
                )
            yield await blocks.get()


def sound_devices() -> Any:
    """Give the ``sounddevice`` module.

    Raises:
        CommandError: the ``mic`` extra or the PortAudio library is missing.
    """
    try:
        return import_module("sounddevice")
    except ModuleNotFoundError as error:
        raise missing_extra("mic", "sounddevice") from error
    except OSError as error:  # What sounddevice raises where its library is missing.
        raise CommandError(
            "the microphone needs the PortAudio library of the system. "
            "Install it, for example: apt-get install libportaudio2",
            ExitCode.MISSING_EXTRA,
        ) from error


def _open_microphone(on_block: Any) -> Any:
    devices = sound_devices()
    try:
        return devices.RawInputStream(
            samplerate=MIC_FORMAT.sample_rate_hz,
            channels=MIC_FORMAT.channel_count,
            dtype="int16",
            blocksize=int(MIC_FORMAT.sample_rate_hz * _BLOCK_S),
            callback=on_block,
        )
    except devices.PortAudioError as error:
        raise CommandError(
            f"no microphone can be opened: {error}. Check the system's sound settings, or stream a file",
            ExitCode.USAGE,
        ) from error
