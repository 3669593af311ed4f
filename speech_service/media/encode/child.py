"""One encode job in a forked child: samples in, bytes of a file out, under the limits of a decode job.

The container is written forward only. What an encoder holds back (its delay, an unfinished frame) leaves with the
next samples or at the end.
"""

import os
import socket
from dataclasses import dataclass
from typing import cast

import av
import numpy as np
from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.packet import Packet

from speech_service.media.codec.confine import CpuAllowance, confine
from speech_service.media.codec.wire import Order, Task
from speech_service.media.encode.length import info_frame
from speech_service.media.encode.wire import (
    ANSWER,
    MAX_SAMPLES_BYTES,
    REQUEST,
    SAMPLE_BYTES,
    START,
    Ask,
    EncodedKind,
    EncoderReply,
)


@dataclass(frozen=True, slots=True)
class _Recipe:
    """FFmpeg's names for a kind of file."""

    muxer: str
    codec: str
    sample_format: str
    muxer_options: dict[str, str]
    codec_options: dict[str, str]


_RECIPES = {
    # Without the 8 KiB of padding in front that FFmpeg leaves for tags.
    EncodedKind.FLAC: _Recipe("flac", "flac", "s16", {"metadata_header_padding": "0"}, {}),
    # Without FFmpeg's Xing frame: it would have to state a length that is not known yet; ``info_frame`` does not.
    # Without a tag of FFmpeg's name.
    EncodedKind.MP3: _Recipe(
        "mp3", "libmp3lame", "fltp", {"write_xing": "0", "id3v2_version": "0"}, {}
    ),
    # Pages of 20 ms instead of 1 s: the first sound is not held back.
    EncodedKind.OGG_OPUS: _Recipe(
        "ogg", "libopus", "flt", {"page_duration": "20000"}, {"application": "voip"}
    ),
}
_WARM_RATE_HZ = 24_000


class Encoding:
    """One file that is being written."""

    def __init__(self, kind: EncodedKind, sample_rate_hz: int, bit_rate_bps: int) -> None:
        recipe = _RECIPES[kind]
        self._kind = kind
        self._rate_hz = sample_rate_hz
        self._format = recipe.sample_format
        self._written = bytearray()
        options = {"fflags": "+bitexact", "flush_packets": "1", **recipe.muxer_options}
        self._container = av.open(
            _Sink(self._written), "w", format=recipe.muxer, container_options=options
        )
        stream = self._container.add_stream(  # pyright: ignore[reportUnknownMemberType]
            recipe.codec, rate=sample_rate_hz, layout="mono", options=recipe.codec_options
        )
        assert isinstance(stream, AudioStream)
        self._stream = stream
        codec = stream.codec_context
        codec.format = recipe.sample_format
        codec.thread_count = 1
        if bit_rate_bps:
            codec.bit_rate = bit_rate_bps
        self._container.start_encoding()
        self._frame_samples = codec.frame_size
        self._fifo = AudioFifo()
        self._begun = False
        self.samples = 0

    def push(self, data: bytes) -> bytes:
        """Encode ``data`` (one channel of the kind's sample type); gives the bytes that are ready."""
        dtype = np.dtype("<i2" if SAMPLE_BYTES[self._kind] == 2 else "<f4")
        array = np.frombuffer(data, dtype).reshape(1, -1)
        if array.size:
            frame = AudioFrame.from_ndarray(array, format=self._format, layout="mono")
            frame.sample_rate = self._rate_hz
            frame.pts = self.samples
            self.samples += array.size
            self._fifo.write(frame)
        while (full := self._fifo.read(self._frame_samples)) is not None:
            self._encode(full)
        return self._take()

    def finish(self) -> bytes:
        """Encode what is held back and end the file; gives its last bytes."""
        rest = self._fifo.read(0, partial=True)
        if rest is not None:
            self._encode(rest)
        self._encode(None)
        self._container.close()
        return self._take()

    def _encode(self, frame: AudioFrame | None) -> None:
        packets = cast(
            "list[Packet[AudioStream]]",
            self._stream.encode(frame),  # pyright: ignore[reportUnknownMemberType]
        )
        self._container.mux(packets)  # pyright: ignore[reportUnknownMemberType]

    def _take(self) -> bytes:
        data = bytes(self._written)
        self._written.clear()
        if data and self._kind is EncodedKind.MP3 and not self._begun:
            data = info_frame(data[:4]) + data
        self._begun = self._begun or bool(data)
        return data


class _Sink:
    """What FFmpeg writes to; without ``seek`` it writes forward only."""

    def __init__(self, written: bytearray) -> None:
        self._written = written

    def write(self, data: bytes) -> int:
        """Take the next bytes of the file."""
        self._written += data
        return len(data)


def warm_up() -> None:
    """Load what every job needs, so that children share it; a confined child can import nothing."""
    for kind, width in SAMPLE_BYTES.items():
        encoding = Encoding(kind, _WARM_RATE_HZ, 0)
        encoding.push(bytes(width * _WARM_RATE_HZ // 10))
        encoding.finish()


def run(job: socket.socket, order: Order) -> None:
    """Serve one encoder on ``job`` and end the process."""
    assert order.task is Task.ENCODE
    confine(order)
    job.setblocking(True)
    try:
        _answer(job, EncoderReply.READY)
        _serve(job, CpuAllowance(order))
    except ConnectionError:
        pass
    except Exception:  # noqa: BLE001 - the edge of the process: what broke is told to the front end
        _fail(job)
    os._exit(0)


def _serve(job: socket.socket, cpu: CpuAllowance) -> None:
    encoding: Encoding | None = None
    rate_hz = 1
    while True:
        ask, size = REQUEST.unpack(_receive(job, REQUEST.size))
        if size > MAX_SAMPLES_BYTES:
            raise ValueError(size)
        payload = _receive(job, size)
        if encoding is None:
            kind, rate_hz, bit_rate_bps = START.unpack(payload)
            encoding = Encoding(EncodedKind(kind), rate_hz, bit_rate_bps)
            _answer(job, EncoderReply.BYTES)
        elif ask == Ask.SAMPLES:
            data = encoding.push(payload)
            cpu.earn(encoding.samples / rate_hz)
            _answer(job, EncoderReply.BYTES, data)
        else:
            _answer(job, EncoderReply.BYTES, encoding.finish())
            return


def _answer(job: socket.socket, answer: EncoderReply, payload: bytes = b"") -> None:
    job.sendall(ANSWER.pack(answer, len(payload)) + payload)


def _fail(job: socket.socket) -> None:
    try:
        _answer(job, EncoderReply.FAILED)
    except OSError:
        return


def _receive(job: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        part = job.recv(size - len(data))
        if not part:
            raise ConnectionResetError
        data += part
    return bytes(data)
