"""How a decode child finds the samples of a WAV file. Standard library only.

FFmpeg's own WAV reader is not used for plain samples: it waits for 64 KiB (4 s of telephone audio) to look for
S/PDIF, and does not tell what is missing at the end. What is in blocks (ADPCM) is left to it.
"""

import struct
from dataclasses import dataclass, replace

from speech_service.media.decode.sources import READ_BYTES, GiveUpError, PipeReader
from speech_service.media.decode.wire import Reason


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


@dataclass(frozen=True, slots=True)
class WavBlocks:
    """A WAV whose samples come in blocks: ``head`` is a file of its format up to the first byte of its samples."""

    head: bytes


_BLOCK_CODECS = (2, 0x11)  # Microsoft's and IMA's ADPCM.


def read_wav_header(reader: PipeReader) -> WavHeader | WavBlocks:
    """Read up to the first byte of the ``data`` chunk. Chunks before it are skipped.

    Raises:
        GiveUpError: it is no header, or of a codec that is not accepted.
    """
    if reader.read_exactly(12, Reason.HEADER)[8:] != b"WAVE":
        raise GiveUpError(Reason.HEADER)
    kept: dict[bytes, bytes] = {}
    while True:
        name, size = struct.unpack("<4sI", reader.read_exactly(8, Reason.HEADER))
        if name == b"data":
            return _described(kept, size)
        least = _LEAST_BYTES.get(name)
        if least is not None:
            if not least <= size <= _MOST_BYTES:
                raise GiveUpError(Reason.HEADER)
            kept[name] = reader.read_exactly(size, Reason.HEADER)
            size = 0 if size % 2 == 0 else _pad(reader)
        elif size % 2:
            _skip(reader, size)
            size = _pad(reader)
        _skip(reader, size)


def next_samples(reader: PipeReader, before: WavHeader) -> WavHeader | None:
    """Find samples behind the ``data`` chunk that ``before`` describes; None: nothing more is audio.

    There may be another ``data`` chunk, or a file of the same form that was joined to this one. What is no chunk at all
    are samples: the writer gave a wrong length.
    """
    if (before.data_bytes or 0) % 2:
        reader.unread(reader.read_up_to(1).strip(b"\0"))
    while True:
        head = reader.read_up_to(8)
        if len(head) < 8 or not head.strip(b"\0"):
            return None
        name, size = struct.unpack("<4sI", head)
        if name == b"data":
            return replace(before, data_bytes=_known(size))
        if name in (b"RIFF", b"RF64"):
            reader.unread(head)
            return _joined(reader, before)
        if not all(32 <= char < 127 for char in name):
            reader.unread(head)
            return replace(before, data_bytes=None)
        try:
            _skip(reader, size + size % 2)
        except GiveUpError:
            return None


def _joined(reader: PipeReader, before: WavHeader) -> WavHeader | None:
    try:
        header = read_wav_header(reader)
    except GiveUpError:
        return None
    if isinstance(header, WavBlocks):
        return None
    return header if replace(header, data_bytes=before.data_bytes) == before else None


_LEAST_BYTES = {b"fmt ": 16, b"fact": 4, b"ds64": 24}
"""Least length of the chunks that are read. ``ds64`` has the sizes of RF64, those above 4 GiB (EBU Tech 3306)."""
_MOST_BYTES = 4096


def _described(kept: dict[bytes, bytes], data_bytes: int) -> WavHeader | WavBlocks:
    fmt = kept.get(b"fmt ")
    if fmt is None:
        raise GiveUpError(Reason.HEADER)
    if struct.unpack_from("<H", fmt)[0] in _BLOCK_CODECS:
        return _blocks(fmt, kept.get(b"fact", b""), data_bytes)
    if b"ds64" in kept:
        (long_bytes,) = struct.unpack_from("<8xQ", kept[b"ds64"])
        return _samples(fmt, long_bytes or None)
    return _samples(fmt, _known(data_bytes))


def _known(data_bytes: int) -> int | None:
    return data_bytes if 0 < data_bytes < _UNKNOWN_LENGTH_BYTES else None


def _samples(fmt: bytes, data_bytes: int | None) -> WavHeader:
    # Bytes a second and bytes a frame are left out: they follow from the others, and some writers get them wrong.
    tag, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", fmt)
    if tag == _EXTENSIBLE and len(fmt) >= 26:
        (tag,) = struct.unpack_from("<H", fmt, 24)
    codec = _WAV_CODECS.get((tag, bits))
    if codec is None:
        raise GiveUpError(Reason.CODEC)
    if channels == 0:
        raise GiveUpError(Reason.HEADER)
    return WavHeader(codec, rate, channels, channels * bits // 8, data_bytes)


def _blocks(fmt: bytes, fact: bytes, data_bytes: int) -> WavBlocks:
    chunks = struct.pack("<4sI", b"fmt ", len(fmt)) + fmt + bytes(len(fmt) % 2)
    if fact:
        chunks += struct.pack("<4sI", b"fact", len(fact)) + fact
    chunks += struct.pack("<4sI", b"data", data_bytes)
    return WavBlocks(struct.pack("<4sI4s", b"RIFF", 0xFFFFFFFF, b"WAVE") + chunks)


def _pad(reader: PipeReader) -> int:
    """Give how many bytes fill an odd chunk up, which a few writers leave out."""
    byte = reader.read_up_to(1)
    reader.unread(byte)
    return int(byte == b"\0")


def _skip(reader: PipeReader, size: int) -> None:
    while size:
        data = reader.read(min(size, READ_BYTES))
        if not data:
            raise GiveUpError(Reason.HEADER)
        size -= len(data)
