"""What the front end and a decode child say to each other on the job socket. Standard library only.

Down: one ``Kind`` byte and then the bytes of the file (for ``OPUS_PACKETS``: each packet behind its
``PACKET_LENGTH``), half-closed at the end. Up: messages of ``HEADER`` plus payload. How a job begins and ends:
``codec_wire.py``.

The child is not trusted: the front end checks every header and every sample it gets from it.
"""

import struct
from enum import IntEnum

HEADER = struct.Struct("<BIHI")
"""Message, value (AUDIO, LOST: sample rate; FAILED: a number that belongs to the reason; WAITING: bytes read off the
socket so far, modulo 2**32), detail (AUDIO: channel count; FAILED: ``Reason``; LOST: ``Lost``), payload bytes (AUDIO:
interleaved float32; LOST: ``SPAN``).
"""

SPAN = struct.Struct("<QQ")
"""First frame of what is missing, and the first after it, in the audio that was sent; ``OPEN_END``: not known."""
OPEN_END = 2**64 - 1

PACKET_LENGTH = struct.Struct("<I")
MAX_PAYLOAD_BYTES = 4 * 1024 * 1024
MAX_VALUE = 2**32 - 1

MIN_CONTAINER_RATE_HZ = 8_000
MAX_CONTAINER_RATE_HZ = 192_000
MAX_CONTAINER_CHANNELS = 8
MAX_OPUS_PACKET_BYTES = 61_440  # RFC 6716: 48 frames of at most 1275 bytes, plus their lengths.


class Kind(IntEnum):
    """What the bytes on the job socket are."""

    WAV = 1
    FLAC = 2
    OGG = 3
    MP3 = 4
    WEBM = 5
    M4A = 6
    OPUS_PACKETS = 7
    AIFF = 8
    AAC = 9
    AMR = 10
    CAF = 11
    W64 = 12


class Message(IntEnum):
    """Messages of a child. After END or FAILED it sends nothing more.

    WAITING: all that could be decoded of what was read was sent, and nothing else has arrived.
    LOST: a part of the file could not be decoded. What lies inside the file was sent as silence.
    """

    READY = 1
    AUDIO = 2
    END = 3
    FAILED = 4
    WAITING = 5
    LOST = 6


class Lost(IntEnum):
    """Why a part is missing: the file ends before it, or its bytes make no sense."""

    TRUNCATED = 1
    DAMAGED = 2


class Reason(IntEnum):
    """Why a child gave up. Audio sent before stays valid. No text of FFmpeg crosses the socket."""

    HEADER = 1
    CORRUPT = 2
    TRUNCATED = 3
    NO_AUDIO_STREAM = 4
    CODEC = 5
    SAMPLE_RATE = 6
    CHANNEL_COUNT = 7
    PACKET = 8
    MEMORY = 9
    BUFFERED = 10
