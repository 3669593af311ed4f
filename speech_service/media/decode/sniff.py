"""Which container a file is, by its first bytes."""

from speech_service.domain.audio import Container
from speech_service.domain.errors import InvalidAudioError

SNIFF_BYTES = 12
"""Bytes that ``sniff`` needs to tell every container."""

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
_FIRST_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
"""First boxes of MPEG-4 files; QuickTime of old begins without ``ftyp``."""
_REFUSED_PREFIXES = (
    (b"#!AMR", "an AMR file of several channels"),
    (b"\x30\x26\xb2\x75", "a WMA (ASF) file"),
    (b".snd", "an AU file"),
    (b"#EXTM3U", "a playlist"),
    (b"MAC ", "a Monkey's Audio file"),
    (b"wvpk", "a WavPack file"),
)


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
    if found is None and declared is Container.MP3 and not describe_refused(head):
        return declared  # An MP3 file may begin in the middle of a frame.
    if found is None:
        what = describe_refused(head) or "not a known audio container"
        raise InvalidAudioError(option, f"the bytes are {what}", ACCEPTED)
    if declared is not None and declared is not found:
        problem = f"declared as {declared.value}, but the bytes are {found.value}"
        raise InvalidAudioError(option, problem, ACCEPTED)
    return found


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
