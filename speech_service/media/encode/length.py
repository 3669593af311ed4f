"""Length and delay in the headers of encoded files: what a player needs to start and end where the speech does.

An MP3 encoder begins with its delay and ends with padding. The Info frame (of Xing and LAME) in front says how much of
both is to be left out. In a stream the end is not known yet: the frame has the delay, and a size that no file reaches
where a player would take a missing one for no Info frame. A unary reply gets all of it, and FLAC its length.
"""

import struct

from speech_service.domain.synthesis import OutputEncoding
from speech_service.media.encode.pcm import with_known_length
from speech_service.media.mp3_frames import mp3_frame_bytes

_LAME_DELAY = 576
"""Samples at any rate: the encoder's own. A decoder adds 529."""
_MAX_PADDING = 4095
_UNKNOWN_BYTES = 0xFFFFFFFF
_HAS_FRAMES, _HAS_BYTES = 1, 2
_LAME_TAG_BYTES = 36
_VERSION_1 = 3


def whole_file(data: bytes, encoding: OutputEncoding, samples: int) -> bytes:
    """Give a complete file that was written as a stream, with its length in its header: ``samples`` at the coded
    rate."""
    match encoding:
        case OutputEncoding.WAV:
            return with_known_length(data)
        case OutputEncoding.FLAC:
            return _flac(data, samples)
        case OutputEncoding.MP3:
            return _mp3(data, samples)
        case _:
            return data  # Ogg says it in its last page; raw audio has no header


def info_frame(
    first: bytes, frames: int | None = None, file_bytes: int = 0, padding: int = 0
) -> bytes:
    """Give the frame in front of an MP3 (mono).

    Args:
        first: header of its first frame, 4 bytes.
        frames: how many there are, without this one; None: not known yet, nor are the others.
        file_bytes: of all frames, this one included.
        padding: samples at the end that are no audio, for the decoder's own delay included.
    """
    size, head = _frame_for(first)
    flags, fields = _HAS_BYTES, struct.pack(">I", _UNKNOWN_BYTES)
    if frames is not None:
        flags, fields = _HAS_FRAMES | _HAS_BYTES, struct.pack(">II", frames, file_bytes)
    delays = (_LAME_DELAY << 12 | padding).to_bytes(3, "big")
    # Version (9), method, low-pass, peak, 2 gains, flags, bit rate; then the delays; then 12 bytes that stay 0.
    lame = b"Lavc".ljust(9) + bytes(12) + delays
    body = b"Info" + struct.pack(">I", flags) + fields + lame
    return (head + bytes(_side_bytes(first)) + body).ljust(size, b"\0")


def _mp3(data: bytes, samples: int) -> bytes:
    head_bytes = mp3_frame_bytes(data[:4])
    frames, at = 0, head_bytes
    while size := mp3_frame_bytes(data[at : at + 4]):
        frames, at = frames + 1, at + size
    if not frames:
        return data
    frame_samples = 1152 if data[1] >> 3 & 3 == _VERSION_1 else 576
    padding = min(max(0, frames * frame_samples - _LAME_DELAY - samples), _MAX_PADDING)
    first = data[head_bytes : head_bytes + 4]
    return info_frame(first, frames, len(data), padding) + data[head_bytes:]


def _frame_for(first: bytes) -> tuple[int, bytes]:
    """Size and header of the smallest frame of this kind that holds all fields."""
    needed = 4 + _side_bytes(first) + 16 + _LAME_TAG_BYTES
    for bit_rate in range(1, 15):
        head = bytes([first[0], first[1] | 1, bit_rate << 4 | first[2] & 0x0C, first[3]])
        size = mp3_frame_bytes(head)
        if size >= needed:
            return size, head
    raise ValueError("no frame of this kind is large enough")


def _side_bytes(first: bytes) -> int:
    """Give the length of the side information of one channel."""
    return 17 if first[1] >> 3 & 3 == _VERSION_1 else 9


_FLAC_LENGTH_AT = 18
"""Behind the mark, the block's head, and sizes of blocks and frames: rate, channels, bits, then 36 bits of length."""


def _flac(data: bytes, samples: int) -> bytes:
    if not data.startswith(b"fLaC") or len(data) < _FLAC_LENGTH_AT + 8:
        return data
    (fields,) = struct.unpack_from(">Q", data, _FLAC_LENGTH_AT)
    fields = fields >> 36 << 36 | samples
    return data[:_FLAC_LENGTH_AT] + struct.pack(">Q", fields) + data[_FLAC_LENGTH_AT + 8 :]
