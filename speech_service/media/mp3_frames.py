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
