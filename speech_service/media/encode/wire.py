"""What the front end and an encode child say to each other on the job socket. Standard library only.

Lock-step: every ``REQUEST`` is answered by one ``ANSWER`` with the bytes that are ready. How a job begins and ends:
``codec_wire.py``.
"""

import struct
from enum import IntEnum

START = struct.Struct("<BII")
"""Payload of Ask.START: ``EncodedKind``, sample rate in hertz, bit rate in bits per second (0: none)."""

REQUEST = struct.Struct("<BI")
"""``Ask``, payload bytes (SAMPLES: one channel in the sample type of ``SAMPLE_BYTES``)."""

ANSWER = struct.Struct("<BI")
"""Head of a reply: its ``EncoderReply``, and the bytes of its payload."""

MAX_SAMPLES_BYTES = 256 * 1024
MAX_ANSWER_BYTES = 4 * 1024 * 1024


class Ask(IntEnum):
    """What the front end asks of an encoder."""

    START = 1
    SAMPLES = 2
    FINISH = 3


class EncoderReply(IntEnum):
    """How it went. READY comes once, unasked, when the child runs."""

    READY = 1
    BYTES = 2
    FAILED = 3


class EncodedKind(IntEnum):
    """Containers that a child makes."""

    FLAC = 1
    MP3 = 2
    OGG_OPUS = 3


SAMPLE_BYTES = {EncodedKind.FLAC: 2, EncodedKind.MP3: 4, EncodedKind.OGG_OPUS: 4}
"""FLAC takes int16, so that what is lossless is the same as PCM_S16LE; the others take float32."""
