"""How a decode child reads its input: from one socket, forward, noticing an early end.

FFmpeg says nothing when a file stops in the middle, so the rules that find it out live here: WAV
headers are parsed, Ogg pages followed, MP4 boxes looked at. Standard library only.
"""

import io
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from speech_service.audio.decode_wire import Reason

READ_BYTES = 32 * 1024


class GiveUpError(Exception):
    """The job ends with this reason."""

    def __init__(self, reason: Reason, value: int = 0) -> None:
        super().__init__(reason.name)
        self.reason = reason
        self.value = value


class Readable(Protocol):
    """What FFmpeg reads from. Without ``seek`` it reads forward only."""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes; empty at the end."""
        ...


class Parts(Protocol):
    """Follows the outermost parts of a container: where one begins and how long it is."""

    @property
    def inside(self) -> bool:
        """Whether the bytes so far end in the middle of a part; false once track is lost."""
        ...

    def take(self, data: bytes) -> None:
        """Look at the next bytes of the file."""
        ...


class PipeReader:
    """The job socket as a file, from its second byte on: the first said what the others are.

    ``before_wait`` gets the number of bytes read off the socket, each time that a read has to wait for the client.
    """

    def __init__(self, job: socket.socket, before_wait: Callable[[int], None]) -> None:
        self._job = job
        self._before_wait = before_wait
        self._read_bytes = 1
        self._returned = b""
        self.ended = False
        self.parts: Parts | None = None

    def read(self, size: int, /) -> bytes:
        """What has arrived, at most ``size`` bytes; empty at the end."""
        if self._returned:
            data, self._returned = self._returned[:size], self._returned[size:]
            return data
        data = self._receive(min(size, READ_BYTES))
        self._read_bytes += len(data)
        self.ended = not data
        if self.parts is not None:
            self.parts.take(data)
        return data

    def _receive(self, size: int) -> bytes:
        try:
            return self._job.recv(size, socket.MSG_DONTWAIT)
        except BlockingIOError:
            self._before_wait(self._read_bytes)
            return self._job.recv(size)

    def read_exactly(self, size: int, on_end: Reason) -> bytes:
        """``size`` bytes, or the job ends with ``on_end``."""
        parts: list[bytes] = []
        while size:
            data = self.read(size)
            if not data:
                raise GiveUpError(on_end)
            parts.append(data)
            size -= len(data)
        return b"".join(parts)

    def unread(self, data: bytes) -> None:
        """Give bytes back; they come first at the next read."""
        self._returned = data + self._returned


class OggPages:
    """``Parts`` of Ogg: pages (RFC 3533 §6). It loses track at junk; FFmpeg then resynchronises."""

    _FIXED = 27

    def __init__(self) -> None:
        self._head = bytearray()
        self._body_left = 0
        self._lost = False

    @property
    def inside(self) -> bool:
        """As in ``Parts``."""
        return not self._lost and bool(self._head or self._body_left)

    def take(self, data: bytes) -> None:
        """As in ``Parts``."""
        at = 0
        while at < len(data) and not self._lost:
            if self._body_left:
                step = min(self._body_left, len(data) - at)
                self._body_left -= step
                at += step
                continue
            have = len(self._head)
            want = self._FIXED if have < self._FIXED else self._FIXED + self._head[26]
            piece = data[at : at + want - have]
            self._head += piece
            at += len(piece)
            self._finish_header()

    def _finish_header(self) -> None:
        have = len(self._head)
        if have >= 4 and not self._head.startswith(b"OggS"):
            self._lost = True
        elif have >= self._FIXED and have == self._FIXED + self._head[26]:
            self._body_left = sum(self._head[self._FIXED :])
            self._head.clear()


class Mp4Boxes:
    """``Parts`` of MP4: the top-level boxes (ISO 14496-12 §4.2)."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._body_left = 0
        self._lost = False

    @property
    def inside(self) -> bool:
        """As in ``Parts``."""
        return not self._lost and bool(self._head or self._body_left)

    def take(self, data: bytes) -> None:
        """As in ``Parts``."""
        at = 0
        while at < len(data) and not self._lost:
            if self._body_left:
                step = min(self._body_left, len(data) - at)
                self._body_left -= step
                at += step
                continue
            wide = self._head.startswith(b"\0\0\0\1")
            piece = data[at : at + (16 if wide else 8) - len(self._head)]
            self._head += piece
            at += len(piece)
            self._finish_header()

    def _finish_header(self) -> None:
        have = len(self._head)
        if have < 8 or (have == 8 and self._head.startswith(b"\0\0\0\1")):
            return
        (size,) = (
            struct.unpack(">8xQ", self._head) if have == 16 else struct.unpack(">I4x", self._head)
        )
        self._head.clear()
        # Size 0 means "to the end of the file": any end is then a good one.
        self._lost = size < have
        self._body_left = max(size - have, 0)


@dataclass(frozen=True, slots=True)
class WavHeader:
    """``data_bytes`` is None where the writer did not know the length."""

    codec: str
    sample_rate_hz: int
    channel_count: int
    frame_bytes: int
    data_bytes: int | None


_WAV_CODECS = {
    (1, 8): "pcm_u8",
    (1, 16): "pcm_s16le",
    (1, 24): "pcm_s24le",
    (1, 32): "pcm_s32le",
    (3, 32): "pcm_f32le",
    (3, 64): "pcm_f64le",
    (6, 8): "pcm_alaw",
    (7, 8): "pcm_mulaw",
}
_EXTENSIBLE = 0xFFFE
_UNKNOWN_LENGTH_BYTES = 0x7FFF0000  # Writers to a pipe leave 0, 0x7FFFxxxx or 0xFFFFFFFF.


def read_wav_header(reader: PipeReader) -> WavHeader:
    """Read up to the first byte of the ``data`` chunk. Chunks before it are skipped.

    FFmpeg's own WAV reader is not used: it waits for 64 KiB (4 s of telephone audio) to look for
    S/PDIF.
    """
    if reader.read_exactly(12, Reason.HEADER)[8:] != b"WAVE":
        raise GiveUpError(Reason.HEADER)
    described: tuple[str, int, int, int] | None = None
    while True:
        name, size = struct.unpack("<4sI", reader.read_exactly(8, Reason.HEADER))
        if name == b"data":
            if described is None:
                raise GiveUpError(Reason.HEADER)
            known = 0 < size < _UNKNOWN_LENGTH_BYTES
            return WavHeader(*described, data_bytes=size if known else None)
        if name == b"fmt ":
            if not 16 <= size <= 4096:
                raise GiveUpError(Reason.HEADER)
            described = _wav_format(reader.read_exactly(size, Reason.HEADER))
            size %= 2
        _skip(reader, size + size % 2)


def _wav_format(fmt: bytes) -> tuple[str, int, int, int]:
    tag, channels, rate, _, frame_bytes, bits = struct.unpack_from("<HHIIHH", fmt)
    if tag == _EXTENSIBLE and len(fmt) >= 26:
        (tag,) = struct.unpack_from("<H", fmt, 24)
    codec = _WAV_CODECS.get((tag, bits))
    if codec is None:
        raise GiveUpError(Reason.CODEC)
    if channels == 0 or frame_bytes != channels * bits // 8:
        raise GiveUpError(Reason.HEADER)
    return codec, rate, channels, frame_bytes


def _skip(reader: PipeReader, size: int) -> None:
    while size:
        data = reader.read(min(size, READ_BYTES))
        if not data:
            raise GiveUpError(Reason.HEADER)
        size -= len(data)


def open_mp4(reader: PipeReader, max_buffered_bytes: int) -> Readable:
    """Look at the top-level boxes: a file with its index first streams, one with its media first is
    buffered to its end and can be sought.

    Raises:
        GiveUpError: a box is malformed, the file ends before its index, or it is too long to
            buffer.
    """
    seen = io.BytesIO()
    while True:
        head = reader.read_exactly(8, Reason.TRUNCATED)
        size, name = struct.unpack(">I4s", head)
        if name in (b"moov", b"moof"):
            reader.unread(seen.getvalue() + head)
            return reader
        seen.write(head)
        if name == b"mdat":
            _copy(reader, seen, None, max_buffered_bytes)
            seen.seek(0)
            return seen
        if size < 8:
            raise GiveUpError(Reason.HEADER)
        _copy(reader, seen, size - 8, max_buffered_bytes)


def _copy(reader: PipeReader, to: io.BytesIO, size: int | None, max_bytes: int) -> None:
    while size is None or size > 0:
        data = reader.read(READ_BYTES if size is None else min(size, READ_BYTES))
        if not data:
            if size is None:
                return
            raise GiveUpError(Reason.TRUNCATED)
        if size is not None:
            size -= len(data)
        to.write(data)
        if to.tell() > max_bytes:
            raise GiveUpError(Reason.BUFFERED)


_MP3_KBPS_V1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)
_MP3_KBPS_V2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0)
_MP3_RATES_HZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


def mp3_frame_bytes(packet: bytes) -> int:
    """Length that a Layer III frame header announces, 0 where it does not tell (ISO 11172-3
    §2.4.1.3).
    """
    if len(packet) < 4 or packet[0] != 0xFF or packet[1] & 0xE6 != 0xE2:
        return 0
    version = packet[1] >> 3 & 3
    rate_index = packet[2] >> 2 & 3
    if version not in _MP3_RATES_HZ or rate_index == 3:
        return 0
    kbps = (_MP3_KBPS_V1 if version == 3 else _MP3_KBPS_V2)[packet[2] >> 4]
    if kbps == 0:
        return 0
    slots = 144_000 if version == 3 else 72_000
    return slots * kbps // _MP3_RATES_HZ[version][rate_index] + (packet[2] >> 1 & 1)
