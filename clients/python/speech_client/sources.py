"""Audio to send: where its bytes come from, and how fast they go.

The client holds no decoder. Only headerless audio and WAV tell how many bytes make a second, so only they can be paced
in real time; any container can be sent as fast as the server reads.
"""

import asyncio
import os
import stat
import struct
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from speech_client.errors import AudioSourceError
from speech_client.options import ENCODINGS, AudioFormat, AutoDetect, Encoding, Pacing, RawAudio

CHUNK_BYTES = 64 * 1024
"""Largest audio message of a paced file; the server takes 1 MiB, smaller ones spread its work evenly."""

REALTIME_CHUNK_S = 0.1

AudioInput = str | Path | bytes | AsyncIterable[bytes]
"""A path, the bytes themselves, or pieces of them as they come."""

_WAV_HEADER_LIMIT = 64 * 1024
_WAV_ENCODINGS: dict[tuple[int, int], Encoding] = {
    (1, 16): "pcm_s16le",
    (3, 32): "pcm_f32le",
    (7, 8): "mulaw",
    (6, 8): "alaw",
}
"""WAVE format tag and bits per sample to the headerless encoding with the same bytes."""


@dataclass(frozen=True, slots=True)
class WavInfo:
    """What a WAV header says.

    Attributes:
        audio: the samples as headerless audio; None for an encoding that only a decoder reads.
        bytes_per_second: bytes of one second of audio.
        data_offset: where samples begin in the file.
        data_bytes: bytes of samples as declared; a streamed file declares more than it has.
    """

    audio: RawAudio | None
    bytes_per_second: int
    data_offset: int
    data_bytes: int


@dataclass(frozen=True, slots=True)
class Source:
    """Audio that is ready to be sent.

    Attributes:
        format: what to declare in the stream's config.
        chunks: opens the audio: pieces of at most 64 KiB, at the pace asked for.
        total_bytes: how much there is; None where that is unknown.
    """

    format: AudioFormat
    chunks: Callable[[], AsyncIterator[bytes]]
    total_bytes: int | None


def open_source(given: AudioInput, audio: AudioFormat | None, pacing: Pacing) -> Source:
    """Make audio ready to be sent.

    Args:
        given: a path, bytes, or pieces as they come; pieces are never paced here, they come when they come. The
            path of a pipe gives pieces.
        audio: the caller's word on the format; None: look at the bytes.
        pacing: REALTIME needs WAV or headerless audio.

    Raises:
        AudioSourceError: the file cannot be read, is empty, or cannot be paced.
    """
    if isinstance(given, str | Path) and is_pipe(given):
        given = read_pipe(given)
    if isinstance(given, AsyncIterable):
        frame = audio.frame_bytes if isinstance(audio, RawAudio) else 1
        return Source(audio or AutoDetect(), lambda: _cut(given, frame), None)
    total, head = _measure(given)
    if pacing is Pacing.FILE:
        whole = _Span(given, 0, total)
        frame = audio.frame_bytes if isinstance(audio, RawAudio) else 1
        size = CHUNK_BYTES - CHUNK_BYTES % frame
        return Source(audio or AutoDetect(), lambda: _read(whole, size), total)
    if isinstance(audio, RawAudio):
        span = _Span(given, 0, total)
        rate, frame, declared = audio.bytes_per_second, audio.frame_bytes, audio
    else:
        wav = parse_wav(head)
        if wav is None:
            raise AudioSourceError(
                f"{_name(given)}: only WAV and headerless audio can be sent in real time. "
                "Send it with file pacing, or convert it first: ffmpeg -i INPUT output.wav"
            )
        if (
            wav.audio is None
        ):  # Sent with its header, for the server's decoder; paced by the header's byte rate.
            span, rate, frame, declared = (
                _Span(given, 0, total),
                wav.bytes_per_second,
                1,
                AutoDetect(),
            )
        else:
            length = min(wav.data_bytes, total - wav.data_offset)
            length -= length % wav.audio.frame_bytes
            span = _Span(given, wav.data_offset, length)
            rate, frame, declared = wav.bytes_per_second, wav.audio.frame_bytes, wav.audio
    size = min(CHUNK_BYTES, max(frame, int(rate * REALTIME_CHUNK_S)))
    size -= size % frame
    return Source(declared, lambda: _paced(span, size, rate), span.length)


def parse_wav(head: bytes) -> WavInfo | None:
    """Read a WAV header; None when the bytes do not start as a WAV file with its samples in reach."""
    if len(head) < 12 or head[:4] not in (b"RIFF", b"RF64") or head[8:12] != b"WAVE":
        return None
    offset, found = 12, None
    while offset + 8 <= len(head):
        name, size = head[offset : offset + 4], struct.unpack_from("<I", head, offset + 4)[0]
        body = offset + 8
        if name == b"fmt " and size >= 16 and body + size <= len(head):
            found = _wav_format(head[body : body + size])
        elif name == b"data":
            if found is None:
                return None
            audio, rate = found
            return WavInfo(audio, rate, body, size)
        offset = body + size + size % 2
    return None


def _wav_format(chunk: bytes) -> tuple[RawAudio | None, int] | None:
    tag, channels, rate, byte_rate, _, bits = struct.unpack_from("<HHIIHH", chunk)
    if (
        tag == 0xFFFE and len(chunk) >= 26
    ):  # WAVE_FORMAT_EXTENSIBLE: the tag starts the sub-format GUID.
        tag = struct.unpack_from("<H", chunk, 24)[0]
    if not (channels and rate and byte_rate):
        return None
    encoding = _WAV_ENCODINGS.get((tag, bits))
    if encoding is None:
        return None, byte_rate
    return RawAudio(rate, encoding, channels), rate * channels * ENCODINGS[encoding][1]


@dataclass(frozen=True, slots=True)
class _Span:
    """A part of a file or of bytes."""

    given: str | Path | bytes
    offset: int
    length: int


def _name(given: str | Path | bytes) -> str:
    return "audio" if isinstance(given, bytes) else str(given)


def _measure(given: str | Path | bytes) -> tuple[int, bytes]:
    if isinstance(given, bytes):
        total, head = len(given), given[:_WAV_HEADER_LIMIT]
    else:
        try:
            with Path(given).open("rb") as file:
                head = file.read(_WAV_HEADER_LIMIT)
                total = file.seek(0, 2)
        except OSError as error:
            raise _unreadable(given, error) from error
    if not total:
        raise _empty(_name(given))
    return total, head


def read_all(given: str | Path | bytes) -> bytes:
    """The whole audio. Raises AudioSourceError when it cannot be read or is empty."""
    if isinstance(given, bytes) or not is_pipe(given):
        _measure(given)
        return given if isinstance(given, bytes) else Path(given).read_bytes()
    data = Path(given).read_bytes()
    if not data:
        raise _empty(str(given))
    return data


def is_pipe(path: str | Path) -> bool:
    """Whether a path names what can be read once, and from its beginning only: a FIFO, ``<(...)``, a terminal.

    Raises:
        AudioSourceError: there is no such file.
    """
    try:
        mode = Path(path).stat().st_mode
    except OSError as error:
        raise _unreadable(path, error) from error
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISBLK(mode))


async def read_pipe(given: str | Path | int, name: str = "") -> AsyncIterator[bytes]:
    """Pieces of a pipe, or of an open descriptor, as they come.

    No thread waits for them, which nobody could call back: whoever is cancelled meanwhile, by Ctrl-C say, ends at once.

    Args:
        given: the path of a pipe, which may have no writer yet; or a descriptor, which stays open.
        name: what errors call it; "": its path.

    Raises:
        AudioSourceError: it cannot be read, or ends before anything came.
    """
    name = name or str(given)
    is_ours = not isinstance(given, int)
    try:
        file = os.open(given, os.O_RDONLY | os.O_NONBLOCK) if is_ours else given
    except OSError as error:
        raise _unreadable(name, error) from error
    is_empty = True
    try:
        while True:
            await _readable(file)
            try:
                piece = await asyncio.to_thread(os.read, file, CHUNK_BYTES)
            except BlockingIOError:  # another reader was first
                continue
            if not piece:
                break
            is_empty = False
            yield piece
    except OSError as error:
        raise _unreadable(name, error) from error
    finally:
        if is_ours:
            os.close(file)
    if is_empty:
        raise _empty(name)


async def _readable(file: int) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    try:
        loop.add_reader(file, ready.set)
    except PermissionError:  # a plain file, which always is
        return
    try:
        await ready.wait()
    finally:
        loop.remove_reader(file)


def _empty(name: str) -> AudioSourceError:
    return AudioSourceError(f"{name}: holds no audio (0 bytes)")


def _unreadable(name: str | Path, error: OSError) -> AudioSourceError:
    return AudioSourceError(f"{name}: cannot be read: {error.strerror}")


async def _read(span: _Span, size: int) -> AsyncIterator[bytes]:
    """Pieces of a span; a file is read off the event loop and never held whole."""
    if isinstance(span.given, bytes):
        for at in range(span.offset, span.offset + span.length, size):
            yield span.given[at : min(at + size, span.offset + span.length)]
        return
    with await asyncio.to_thread(_open_at, Path(span.given), span.offset) as file:
        left = span.length
        while left > 0 and (piece := await asyncio.to_thread(file.read, min(size, left))):
            left -= len(piece)
            yield piece


def _open_at(path: Path, offset: int) -> BinaryIO:
    file = path.open("rb")
    file.seek(offset)
    return file


async def _cut(pieces: AsyncIterable[bytes], frame: int) -> AsyncIterator[bytes]:
    """Pieces of whole frames; a frame that was cut in two goes with the next piece."""
    size = CHUNK_BYTES - CHUNK_BYTES % frame
    rest = b""
    async for piece in pieces:
        piece = rest + piece if rest else piece
        whole = len(piece) - len(piece) % frame
        for at in range(0, whole, size):
            yield piece[at : min(at + size, whole)]
        rest = piece[whole:]
    if rest:
        yield rest  # The server names the odd bytes; dropping them here would hide a wrong format.


async def _paced(
    span: _Span,
    size: int,
    bytes_per_second: int,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncIterator[bytes]:
    """Pieces at the moment their last sample would have been spoken, as from a microphone; no drift adds up."""
    loop = asyncio.get_running_loop()
    start, sent = loop.time(), 0
    async for piece in _read(span, size):
        sent += len(piece)
        await sleep(max(0.0, start + sent / bytes_per_second - loop.time()))
        yield piece
