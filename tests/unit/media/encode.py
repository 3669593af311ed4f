"""Makes the containers that the tests decode. Nothing here is committed audio."""

import io
import struct
from functools import cache

import av
import numpy as np
from av.container.output import OutputContainer
from numpy.typing import NDArray

KINDS = ("wav", "flac", "ogg", "mp3", "webm", "m4a", "m4a-faststart", "m4a-fragmented")
_FORMATS = {
    "wav": ("wav", "pcm_s16le", {}),
    "flac": ("flac", "flac", {}),
    "ogg": ("ogg", "libopus", {}),
    "mp3": ("mp3", "libmp3lame", {}),
    "webm": ("webm", "libopus", {}),
    "m4a": ("mp4", "aac", {}),
    "m4a-fragmented": (
        "mp4",
        "aac",
        {"movflags": "frag_every_frame+empty_moov+default_base_moof"},
    ),
}


def speechlike(rate: int, seconds: float, channels: int = 1) -> NDArray[np.float32]:
    """float32 [frames, channels]: tones that come and go, each channel with its own."""
    t = np.arange(int(rate * seconds)) / rate
    envelope = 0.3 * (1 + np.sin(2 * np.pi * 1.5 * t))
    tones = [envelope * np.sin(2 * np.pi * (220 + 110 * c) * t) for c in range(channels)]
    return np.stack(tones, axis=1).astype(np.float32)


@cache
def encoded(kind: str, seconds: float = 3.0, rate: int = 16_000, channels: int = 1) -> bytes:
    """A file of ``kind``. Opus kinds are always 48 kHz."""
    if kind in ("ogg", "webm"):
        rate = 48_000
    if kind == "wav":
        return wav(speechlike(rate, seconds, channels), rate)
    if kind == "m4a-faststart":
        return faststart(encoded("m4a", seconds, rate, channels))
    return encode(speechlike(rate, seconds, channels), rate, *_FORMATS[kind])


def encode(
    samples: NDArray[np.float32],
    rate: int,
    fmt: str,
    codec: str,
    options: dict[str, str],
    *,
    with_video: bool = False,
) -> bytes:
    """Encode float32 [frames, channels]; ``with_video`` adds pictures."""
    layout = "mono" if samples.shape[1] == 1 else "stereo"
    pcm = np.ascontiguousarray((samples * 32767).astype(np.int16))
    file = io.BytesIO()
    with av.open(file, "w", format=fmt, options=options) as container:
        video = _video(container) if with_video else None
        stream = container.add_stream(codec, rate=rate, layout=layout)
        assert isinstance(stream, av.AudioStream)
        size = stream.codec_context.frame_size or 960
        if video is not None:
            for n in range(5):
                picture = av.VideoFrame(32, 32, "yuv420p")
                picture.pts = n
                container.mux(video.encode(picture))
            container.mux(video.encode(None))
        for at in range(0, len(pcm), size):
            part = pcm[at : at + size]
            frame = av.AudioFrame.from_ndarray(part.reshape(1, -1), format="s16", layout=layout)
            frame.sample_rate = rate
            frame.pts = at
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def _video(container: OutputContainer) -> av.VideoStream:
    video = container.add_stream("mpeg4", rate=5)
    assert isinstance(video, av.VideoStream)
    video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
    return video


def wav(
    samples: NDArray[np.float32], rate: int, *, data_bytes: int | None = None, tag: int = 1
) -> bytes:
    """16-bit PCM WAV. ``data_bytes`` forges the length in the header."""
    data = (samples * 32767).astype("<i2").tobytes()
    size = len(data) if data_bytes is None else data_bytes
    channels = samples.shape[1]
    fmt = struct.pack("<HHIIHH", tag, channels, rate, rate * 2 * channels, 2 * channels, 16)
    return (
        struct.pack("<4sI4s4sI", b"RIFF", min(size + 36, 2**32 - 1), b"WAVE", b"fmt ", 16)
        + fmt
        + struct.pack("<4sI", b"data", size)
        + data
    )


def opus_packets(seconds: float, channels: int = 1, *, silent: bool = False) -> list[bytes]:
    """20 ms Opus packets."""
    codec = av.CodecContext.create("libopus", "w")
    codec.sample_rate = 48_000
    codec.layout = "mono" if channels == 1 else "stereo"
    codec.format = "s16"
    samples = speechlike(48_000, seconds, channels) * (0 if silent else 1)
    packets: list[bytes] = []
    for at in range(0, len(samples), 960):
        part = (samples[at : at + 960] * 32767).astype(np.int16).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(part, format="s16", layout=codec.layout.name)
        frame.sample_rate = 48_000
        frame.pts = at
        packets += [bytes(packet) for packet in codec.encode(frame)]
    return packets


def ogg_silence(hours: float) -> bytes:
    """An honest Ogg Opus file of nothing: 3-byte packets of 20 ms, 205 bytes a second."""
    head = b"OpusHead\x01\x01" + struct.pack("<HIhB", 0, 48_000, 0, 0)
    tags = b"OpusTags" + struct.pack("<I", 0) + struct.pack("<I", 0)
    pages = [_ogg_page(0, 0, 2, [head]), _ogg_page(1, 0, 0, [tags])]
    silence = bytes([0x1F << 3, 0xFF, 0xFE])  # CELT fullband 20 ms, one frame
    count = int(hours * 3600 / 0.02 / 250)
    for n in range(count):
        last = 4 if n == count - 1 else 0
        pages.append(_ogg_page(n + 2, (n + 1) * 250 * 960, last, [silence] * 250))
    return b"".join(pages)


def _ogg_page(sequence: int, granule: int, flags: int, packets: list[bytes]) -> bytes:
    lengths = bytes(len(packet) for packet in packets)
    fields = (b"OggS", 0, flags, granule, 7, sequence, 0, len(lengths))
    page = struct.pack("<4sBBqIIIB", *fields) + lengths + b"".join(packets)
    return page[:22] + struct.pack("<I", _ogg_crc(page)) + page[26:]


@cache
def _crc_table() -> list[int]:
    table: list[int] = []
    for n in range(256):
        value = n << 24
        for _ in range(8):
            value = (value << 1) ^ (0x04C11DB7 if value & 0x80000000 else 0)
        table.append(value & 0xFFFFFFFF)
    return table


def _ogg_crc(page: bytes) -> int:
    table = _crc_table()
    crc = 0
    for byte in page:
        crc = (crc << 8 & 0xFFFFFFFF) ^ table[crc >> 24 ^ byte]
    return crc


def faststart(m4a: bytes) -> bytes:
    """Move the index of an M4A in front of the media, correcting its chunk offsets."""
    boxes: dict[bytes, bytes] = {}
    at = 0
    while at < len(m4a):
        size, name = struct.unpack_from(">I4s", m4a, at)
        boxes[name] = m4a[at : at + size]
        at += size
    moov = bytearray(boxes[b"moov"])
    at = moov.index(b"stco") + 8
    (count,) = struct.unpack_from(">I", moov, at)
    for n in range(count):
        (offset,) = struct.unpack_from(">I", moov, at + 4 + 4 * n)
        struct.pack_into(">I", moov, at + 4 + 4 * n, offset + len(moov))
    rest = [box for name, box in boxes.items() if name not in (b"ftyp", b"moov")]
    return boxes[b"ftyp"] + bytes(moov) + b"".join(rest)
