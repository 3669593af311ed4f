"""Frames of MPEG Layer III: how long they are, and where they lie. Standard library only."""

_MAX_SEARCHED_BYTES = 8 * 1024


def mp3_frames_in(data: bytes) -> list[tuple[int, int]]:
    """Whole Layer III frames at the end of ``data``, behind bytes that are none: where each begins, and its length."""
    at = max(0, len(data) - _MAX_SEARCHED_BYTES) - 1
    while (at := data.find(b"\xff", at + 1)) >= 0:
        frames: list[tuple[int, int]] = []
        end = at
        while end < len(data) and (size := mp3_frame_bytes(data[end : end + 4])):
            frames.append((end, size))
            end += size
        if end == len(data):
            return frames
    return []


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


_SAMPLES = {3: 1152, 2: 576, 0: 576}
_SIDE_BYTES = {3: (32, 17), 2: (17, 9), 0: (17, 9)}
"""Bytes between the header of a first frame and its Xing tag, of stereo and of mono."""


def mp3_length_s(frame: bytes) -> float:
    """Seconds that the Xing or Info tag of a first frame claims, without what LAME says was put around the audio.

    0.0: there is no such tag, or it does not tell. ``frame``: from its header on, whole or cut.
    """
    if not mp3_frame_bytes(frame[:4]):
        return 0.0
    version, is_mono = frame[1] >> 3 & 3, frame[3] >> 6 == 3
    at = 4 + _SIDE_BYTES[version][is_mono]
    if (
        frame[at : at + 4] not in (b"Xing", b"Info")
        or not frame[at + 7 : at + 8]
        or not frame[at + 7] & 1
    ):
        return 0.0
    samples = int.from_bytes(frame[at + 8 : at + 12], "big") * _SAMPLES[version]
    has_lame = frame[at + 7] & 15 == 15 and frame[at + 120 : at + 123].isalnum()
    padded = int.from_bytes(frame[at + 141 : at + 144], "big") if has_lame else 0
    samples -= (padded >> 12) + (padded & 0xFFF)
    return max(0, samples) / _MP3_RATES_HZ[version][frame[2] >> 2 & 3]


_PRIMING_SAMPLES = 1105
_TELLS_PRIMING = (b"LAME", b"Lavf", b"Lavc")


def mp3_priming_samples(frame: bytes) -> int:
    """Samples that come out before the audio does, of a file that does not tell.

    All encoders and decoders make 1,057 together at the least (481 in the filters, 576 in the transform), LAME and what
    was made of it 1,105. 0: the tag of LAME or FFmpeg tells, and the decoder heeds it; or other frames came before this
    one, whose bytes it needs: it is from the middle of something. ``frame``: the first, from its header on.
    """
    if not mp3_frame_bytes(frame[:4]):
        return 0
    version, is_mono, has_crc = frame[1] >> 3 & 3, frame[3] >> 6 == 3, not frame[1] & 1
    side = frame[4 + 2 * has_crc :][:2]
    borrowed = int.from_bytes(side, "big") >> (7 if version == 3 else 8)
    if borrowed:
        return 0
    at = 4 + _SIDE_BYTES[version][is_mono]
    if frame[at : at + 4] not in (b"Xing", b"Info"):
        return _PRIMING_SAMPLES
    flags = int.from_bytes(frame[at + 4 : at + 8], "big")
    encoder_at = (
        at + 8 + sum(size for bit, size in ((1, 4), (2, 4), (4, 100), (8, 4)) if flags & bit)
    )
    return 0 if frame[encoder_at : encoder_at + 4] in _TELLS_PRIMING else _PRIMING_SAMPLES
