"""Playing a WAV stream: with the ``mic`` extra, or with a player that is installed.

``sounddevice`` plays samples, so the header is cut off; a player reads the stream as it is on its standard input.
"""

import asyncio
import shutil
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol, cast

from speech_client.sources import parse_wav
from speech_service.cli.failure import CommandError, ExitCode
from speech_service.cli.inputs import sound_devices
from speech_service.domain.installing import install_extra

PLAYERS: tuple[tuple[str, ...], ...] = (
    ("aplay", "-q", "-"),
    ("ffplay", "-nodisp", "-autoexit", "-loglevel", "error", "-i", "-"),
    ("play", "-q", "-t", "wav", "-"),
    ("mpv", "--really-quiet", "--no-video", "-"),
)
"""Commands that play a WAV stream from standard input, the usual one first."""

_PCM = "pcm_s16le"


class Player(Protocol):
    """Plays a WAV stream."""

    async def feed(self, data: bytes) -> None:
        """The next piece; waits while enough is buffered."""
        ...

    async def drain(self) -> None:
        """Wait until everything was played."""
        ...

    async def close(self) -> None:
        """Stop playing now."""
        ...


@asynccontextmanager
async def open_player() -> AsyncGenerator[Player, None]:
    """Give a player; leaving waits until everything was played, or stops at once after an error.

    Raises:
        CommandError: neither the ``mic`` extra nor a player is installed.
    """
    player = await _find_player()
    try:
        yield player
        await player.drain()
    finally:
        await player.close()


async def _find_player() -> Player:
    try:
        return _DevicePlayer(sound_devices())
    except CommandError as no_devices:
        for command in PLAYERS:
            if shutil.which(command[0]):
                return await _ProgramPlayer.start(command)
        names = ", ".join(command[0] for command in PLAYERS)
        raise CommandError(
            f"nothing here can play audio: install the 'mic' extra with the PortAudio library "
            f"({install_extra('mic')}), or one of {names}; or save it with -o FILE",
            ExitCode.MISSING_EXTRA,
        ) from no_devices


class _DevicePlayer:
    """Plays through PortAudio."""

    def __init__(self, devices: Any) -> None:
        self._devices = devices
        self._head = b""
        self._stream: Any = None

    async def feed(self, data: bytes) -> None:
        if self._stream is None:
            self._head += data
            wav = parse_wav(self._head)
            if wav is None:
                return
            if wav.audio is None or wav.audio.encoding != _PCM:
                raise CommandError("only 16-bit WAV can be played", ExitCode.REFUSED)
            self._stream = self._open(wav.audio.sample_rate_hz, wav.audio.channel_count)
            data = self._head[wav.data_offset :]
        if data:
            await asyncio.to_thread(self._stream.write, data)

    async def drain(self) -> None:
        if self._stream is not None:
            await asyncio.to_thread(self._stream.stop)  # Plays what is buffered, then stops.

    async def close(self) -> None:
        if self._stream is not None:
            self._stream.close()

    def _open(self, rate: int, channels: int) -> Any:
        try:
            stream = self._devices.RawOutputStream(
                samplerate=rate, channels=channels, dtype="int16"
            )
            stream.start()
        except self._devices.PortAudioError as error:
            raise CommandError(
                f"no loudspeaker can be opened: {error}. Check the system's sound settings, or save it with -o FILE",
                ExitCode.USAGE,
            ) from error
        return stream


class _ProgramPlayer:
    """Plays through a program of the system."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self._name = name
        self._process = process
        self._pipe = cast(asyncio.StreamWriter, process.stdin)  # ``start`` made one

    @classmethod
    async def start(cls, command: Sequence[str]) -> "_ProgramPlayer":
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        return cls(command[0], process)

    async def feed(self, data: bytes) -> None:
        try:
            self._pipe.write(data)
            await self._pipe.drain()
        except (BrokenPipeError, ConnectionResetError):
            await self.drain()  # It says why.

    async def drain(self) -> None:
        _, errors = await self._process.communicate(b"")  # None would leave its input open.
        if self._process.returncode:
            said = errors.decode("utf-8", "replace").strip().splitlines()
            raise CommandError(
                f"{self._name} cannot play: {said[-1] if said else 'it does not say why'}. Save it with -o FILE",
                ExitCode.USAGE,
            )

    async def close(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
