"""Which container a file is, by its first bytes; where one begins behind bytes that are none."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from speech_service.domain.audio import Container
from speech_service.domain.errors import InvalidAudioError
from speech_service.media.decode.wire import Kind

KIND_OF = {
    Container.WAV: Kind.WAV,
    Container.FLAC: Kind.FLAC,
    Container.OGG_OPUS: Kind.OGG,
    Container.MP3: Kind.MP3,
    Container.WEBM_OPUS: Kind.WEBM,
    Container.M4A: Kind.M4A,
    Container.AIFF: Kind.AIFF,
    Container.AAC: Kind.AAC,
    Container.AMR: Kind.AMR,
    Container.CAF: Kind.CAF,
    Container.W64: Kind.W64,
}

SNIFF_BYTES = 12
"""Bytes that ``sniff`` needs to tell every container."""
SEARCH_BYTES = 8192
"""Bytes in which the beginning of audio is looked for: a recording of a station begins inside a frame, an upload with
the head of its form."""

ACCEPTED = (
    "WAV (also ADPCM), FLAC, Ogg (Opus, Vorbis), MP3, WebM (Opus, Vorbis), M4A (AAC, ALAC), AIFF, AAC (ADTS), AMR, "
    "CAF, W64"
)

_PREFIXES = (
    (b"fLaC", Container.FLAC),
    (b"OggS", Container.OGG_OPUS),
    (b"\x1a\x45\xdf\xa3", Container.WEBM_OPUS),
    (b"ID3", Container.MP3),
    (b"#!AMR\n", Container.AMR),
    (b"#!AMR-WB\n", Container.AMR),
    (b"caff", Container.CAF),
    (b"riff\x2e\x91\xcf\x11", Container.W64),
)
_BARE = (Container.MP3, Container.AAC)
"""Kinds whose frames stand alone."""
_IN_A_ROW = 3
"""Frames of one kind, each where the one before ends: no chance."""
_BIT_RATES = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_LOW_BIT_RATES = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_FIRST_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
"""First boxes of MPEG-4 files; QuickTime of old begins without ``ftyp``."""
_BEGINNINGS = (
    (b"fLaC\0\0\0\x22", 0, Container.FLAC),
    (b"OggS\0\x02", 0, Container.OGG_OPUS),
    (b"\x1a\x45\xdf\xa3", 0, Container.WEBM_OPUS),
    (b"#!AMR", 0, Container.AMR),
    (b"caff\0\1", 0, Container.CAF),
    (b"riff\x2e\x91\xcf\x11", 0, Container.W64),
    (b"WAVE", 8, Container.WAV),
    (b"AIFF", 8, Container.AIFF),
    (b"AIFC", 8, Container.AIFF),
    (b"ftyp", 4, Container.M4A),
)
"""What stands in the first bytes of a file, and how far into it: long enough to be no chance."""
_MOST_FIRST_BOX_BYTES = 1024
_MOST_MARKS = 16
"""Places of one mark that are looked at: a head may be full of them."""
_REFUSED_PREFIXES = (
    (b"#!AMR", "an AMR file of several channels"),
    (b"\x30\x26\xb2\x75", "a WMA (ASF) file"),
    (b".snd", "an AU file"),
    (b"#EXTM3U", "a playlist"),
    (b"MAC ", "a Monkey's Audio file"),
    (b"wvpk", "a WavPack file"),
)


class Beginning(NamedTuple):
    """Where audio begins, and what it is."""

    at: int
    container: Container


def sniff(head: bytes) -> Container | None:
    """Give the container that starts with ``head``, or None.

    Args:
        head: the first ``SNIFF_BYTES`` bytes; fewer can still tell some containers.
    """
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return Container.WAV
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return Container.AIFF
    if head[4:8] in _FIRST_BOXES:
        return Container.M4A
    for prefix, container in _PREFIXES:
        if head.startswith(prefix):
            return container
    if is_adts_sync(head):
        return Container.AAC
    return Container.MP3 if is_layer_3_sync(head) else None


def identify(head: bytes, declared: Container | None, option: str) -> Container:
    """Give the container to decode ``head`` as.

    Args:
        head: the first bytes of the audio.
        declared: what the client says it is; None: not said.
        option: what the bytes are to the request, for the error.

    Raises:
        InvalidAudioError: the bytes are no accepted container, or not the declared one.
    """
    found = sniff(head)
    if found is None and (beginning := first_audio(head)):
        found = beginning.container
    if found is None and declared in _BARE and not describe_refused(head):
        return declared  # An MP3 file may begin in the middle of a frame.
    if found is None:
        what = describe_refused(head) or "not a known audio container"
        raise InvalidAudioError(option, f"the bytes are {what}", ACCEPTED)
    if declared is not None and declared is not found:
        problem = f"declared as {declared.value}, but the bytes are {found.value}"
        raise InvalidAudioError(option, problem, ACCEPTED)
    return found


def is_enough(head: bytes, declared: Container | None) -> bool:
    """Whether ``head`` is all that :func:`identify` needs; audio may begin behind other bytes."""
    if len(head) < SNIFF_BYTES:
        return False
    is_told = sniff(head) or declared in _BARE or describe_refused(head)
    return bool(is_told) or len(head) >= SEARCH_BYTES or first_audio(head) is not None


def first_audio(head: bytes) -> Beginning | None:
    """Find where a container begins, or bare frames of MP3 or AAC, three of one kind in a row.

    None: nowhere, or ``head`` begins with a container or is refused by its name, and is not searched.
    """
    if sniff(head) or describe_refused(head):
        return None
    if _is_box(head):
        return Beginning(0, Container.M4A)
    found = [*_containers(head), *_frames(head)]
    return min(found, default=None)


def _is_box(head: bytes) -> bool:
    """Whether an MPEG-4 file begins whose first box has lost its name: the next one stands where that ends."""
    size = int.from_bytes(head[:4], "big")
    return 8 <= size <= _MOST_FIRST_BOX_BYTES and head[size + 4 : size + 8] in _FIRST_BOXES


def _containers(head: bytes) -> Iterator[Beginning]:
    for mark, offset, container in _BEGINNINGS:
        at = offset - 1
        for _ in range(_MOST_MARKS):
            at = head.find(mark, at + 1)
            if at < 0:
                break
            if _is_beginning(head[at - offset :][:SNIFF_BYTES], container):
                yield Beginning(at - offset, container)
                break


def _is_beginning(head: bytes, container: Container) -> bool:
    is_long = container is Container.M4A and head[:2] != bytes(2)  # its first box is a short one
    return not is_long and sniff(head) is container


def _frames(head: bytes) -> Iterator[Beginning]:
    at = head.find(b"\xff")
    while at >= 0:
        for container, size_of in ((Container.MP3, _layer_3_bytes), (Container.AAC, _adts_bytes)):
            if _follow_each_other(head, at, size_of):
                yield Beginning(at, container)
                return
        at = head.find(b"\xff", at + 1)


def _follow_each_other(head: bytes, at: int, size_of: Callable[[bytes], int]) -> bool:
    kind = head[at + 1 : at + 2]
    for _ in range(_IN_A_ROW):
        size = size_of(head[at : at + 6])
        if not size or head[at + 1 : at + 2] != kind:
            return False
        at += size
    return True


def _layer_3_bytes(head: bytes) -> int:
    """Length of a frame of Layer III, by its header (ISO 11172-3 §2.4.3.1); 0: it is none."""
    if len(head) < 4 or not is_layer_3_sync(head):
        return 0
    version, bit_rate, rate = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    if rate == 3 or bit_rate in (0, 15):
        return 0
    is_first = version == 3
    kbps = (_BIT_RATES if is_first else _LOW_BIT_RATES)[bit_rate - 1]
    rate_hz = (44_100, 48_000, 32_000)[rate] // {3: 1, 2: 2, 0: 4}[version]
    return (144_000 if is_first else 72_000) * kbps // rate_hz + (head[2] >> 1 & 1)


def _adts_bytes(head: bytes) -> int:
    """Length of a frame of ADTS, by its header (ISO 13818-7 §6.2); 0: it is none."""
    if len(head) < 6 or not is_adts_sync(head) or head[2] >> 2 & 15 > 12:
        return 0
    size = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    return size if size > 7 else 0


def describe_refused(head: bytes) -> str:
    """Say what ``head`` is, where that is known and not accepted; else empty."""
    for prefix, name in _REFUSED_PREFIXES:
        if head.startswith(prefix):
            return name
    return ""


def is_adts_sync(head: bytes) -> bool:
    """Whether a frame of AAC begins that stands alone: 12 sync bits and layer 0 (ISO 13818-7 §6.2)."""
    return len(head) >= 2 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0


def is_layer_3_sync(head: bytes) -> bool:
    """Whether a frame of Layer III begins: 11 sync bits, a version that exists (ISO 11172-3 §2.4.1.3)."""
    return len(head) >= 2 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2 and head[1] & 0x18 != 0x08
