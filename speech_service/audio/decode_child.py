"""One decode job in a forked child: bytes of a client's file in, float32 audio out, under limits.

Only what the service accepts can run: one demuxer per job, named codecs, the first audio stream,
no protocol but the job socket. A packet that cannot be decoded is left out and reported at the
end; audio sent before stays valid.
"""

import os
import socket
from collections.abc import Iterable, Iterator
from typing import TypeAlias

import av
import av.error
import av.subtitles.stream  # pyright: ignore[reportUnusedImport]  (PyAV imports it late)
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container.input import InputContainer
from av.packet import Packet

from speech_service.audio.codec_confine import CpuAllowance, confine
from speech_service.audio.codec_wire import Order
from speech_service.audio.decode_sources import (
    READ_BYTES,
    GiveUpError,
    Mp4Boxes,
    OggPages,
    PipeReader,
    Readable,
    mp3_frame_bytes,
    open_mp4,
    read_wav_header,
)
from speech_service.audio.decode_wire import (
    HEADER,
    MAX_CONTAINER_CHANNELS,
    MAX_CONTAINER_RATE_HZ,
    MAX_OPUS_PACKET_BYTES,
    MAX_VALUE,
    MIN_CONTAINER_RATE_HZ,
    PACKET_LENGTH,
    Kind,
    Message,
    Reason,
)

_DEMUXERS = {
    Kind.FLAC: ("flac", "flac"),
    Kind.OGG: ("ogg", "ogg"),
    Kind.MP3: ("mp3", "mp3"),
    Kind.WEBM: ("matroska", "matroska,webm"),
    Kind.M4A: ("mov", "mov,mp4,m4a,3gp,3g2,mj2"),
}
_CODECS = ("flac", "opus", "vorbis", "mp3", "mp3float", "aac")
_LAYOUTS = ("mono", "stereo", "2.1", "quad", "5.0", "5.1", "6.1", "7.1")
_BYTES_PER_SAMPLE = 4
_AudioPacket: TypeAlias = "Packet[AudioStream]"
_FLUSH_BYTES = 64 * 1024
_MAX_BAD_PACKETS = 32
# The last frame of files in the wild is often cut: a tail shorter than this is not reported as
# missing.
_TAIL_TOLERANCE_S = 0.1


def warm_up() -> None:
    """Load what every job needs, so that children share it; a confined child can import nothing."""
    for codec in ("pcm_s16le", "flac", "opus", "mp3float", "aac", "vorbis"):
        av.CodecContext.create(codec, "r")


def run(job: socket.socket, order: Order) -> None:
    """Decode what comes in on ``job`` and end the process."""
    confine(order)
    job.setblocking(True)
    sink = Sink(job, order)
    try:
        sink.send(Message.READY)
        _decode(job, order, sink)
        sink.flush()
        sink.send(Message.END)
    except GiveUpError as stop:
        _fail(sink, stop.reason, stop.value)
    except MemoryError:
        _fail(sink, Reason.MEMORY)
    except ConnectionError:
        os._exit(0)
    except Exception:  # noqa: BLE001 - the edge of the process: what broke, the bytes broke
        _fail(sink, Reason.CORRUPT)
    _discard(job)
    os._exit(0)


def _fail(sink: "Sink", reason: Reason, value: int = 0) -> None:
    try:
        sink.flush()
        sink.send(Message.FAILED, value=min(value, MAX_VALUE), detail=reason)
    except OSError:
        os._exit(0)


def _discard(job: socket.socket) -> None:
    """Read to the end: closing with unread bytes would cut off messages that are under way."""
    try:
        while job.recv(READ_BYTES):
            pass
    except OSError:
        pass


class Sink:
    """Turns frames into AUDIO messages of one format, that of the first frame."""

    def __init__(self, job: socket.socket, order: Order) -> None:
        self._job = job
        self._cpu = CpuAllowance(order)
        self._pending = bytearray()
        self._converter: av.AudioResampler | None = None
        self._layout = ""
        self._channels = 0
        self._samples = 0
        self.sample_rate_hz = 0

    @property
    def decoded_s(self) -> float:
        """Seconds of audio so far."""
        return self._samples / self.sample_rate_hz if self._samples else 0.0

    def send(self, message: Message, value: int = 0, detail: int = 0, payload: bytes = b"") -> None:
        """Write one message; waits while the front end does not read."""
        self._job.sendall(HEADER.pack(message, value, detail, len(payload)) + payload)

    def flush(self) -> None:
        """Send what is pending."""
        if self._pending:
            payload = bytes(self._pending)
            self._pending.clear()
            self.send(Message.AUDIO, self.sample_rate_hz, self._channels, payload)

    def wait(self, read_bytes: int) -> None:
        """Send what is pending, and that there will be nothing more before more is sent to us."""
        self.flush()
        self.send(Message.WAITING, read_bytes & MAX_VALUE)

    def take(self, frame: AudioFrame) -> None:
        """Queue one decoded frame.

        Raises:
            GiveUpError: its sample rate or channel count is not accepted.
        """
        frame.pts = None  # A gap in time stamps must not become silence or a cut.
        if self._converter is None:
            self._start(frame)
        for converted in self._convert(frame):
            self._append(converted)
        self._cpu.earn(self.decoded_s)

    def finish(self) -> None:
        """Queue what a rate conversion holds back."""
        if self._converter is not None:
            for converted in self._converter.resample(None):
                self._append(converted)

    def _start(self, frame: AudioFrame) -> None:
        if not MIN_CONTAINER_RATE_HZ <= frame.sample_rate <= MAX_CONTAINER_RATE_HZ:
            raise GiveUpError(Reason.SAMPLE_RATE, max(frame.sample_rate, 0))
        if not 1 <= frame.layout.nb_channels <= MAX_CONTAINER_CHANNELS:
            raise GiveUpError(Reason.CHANNEL_COUNT, frame.layout.nb_channels)
        self.sample_rate_hz = frame.sample_rate
        self._channels = frame.layout.nb_channels
        self._layout = frame.layout.name
        self._converter = av.AudioResampler(format="flt")

    def _convert(self, frame: AudioFrame) -> list[AudioFrame]:
        assert self._converter is not None
        try:
            return self._converter.resample(frame)
        except ValueError:
            # The format changed inside the file. The output keeps the first one.
            self.finish()
            rate = self.sample_rate_hz
            self._converter = av.AudioResampler(format="flt", layout=self._layout, rate=rate)
            return self._converter.resample(frame)

    def _append(self, frame: AudioFrame) -> None:
        size = frame.samples * self._channels * _BYTES_PER_SAMPLE
        self._pending += memoryview(frame.planes[0])[:size]
        self._samples += frame.samples
        if len(self._pending) >= _FLUSH_BYTES:
            self.flush()


def _decode(job: socket.socket, order: Order, sink: Sink) -> None:
    first = job.recv(1)
    if not first:
        return
    kind = Kind(first[0])
    reader = PipeReader(job, before_wait=sink.wait)
    if kind is Kind.WAV:
        _decode_wav(reader, sink)
    elif kind is Kind.OPUS_PACKETS:
        _decode_opus_packets(reader, sink, order.channel_count)
    else:
        _decode_container(kind, reader, sink, order)


def _decode_wav(reader: PipeReader, sink: Sink) -> None:
    header = read_wav_header(reader)
    if not 1 <= header.channel_count <= MAX_CONTAINER_CHANNELS:
        raise GiveUpError(Reason.CHANNEL_COUNT, header.channel_count)
    if not MIN_CONTAINER_RATE_HZ <= header.sample_rate_hz <= MAX_CONTAINER_RATE_HZ:
        raise GiveUpError(Reason.SAMPLE_RATE, header.sample_rate_hz)
    codec = _audio_codec(header.codec)
    codec.sample_rate = header.sample_rate_hz
    codec.layout = _LAYOUTS[header.channel_count - 1]
    left = header.data_bytes
    held = b""
    while left is None or left > 0:
        data = reader.read(READ_BYTES if left is None else min(left, READ_BYTES))
        if not data:
            break
        if left is not None:
            left -= len(data)
        held += data
        whole = len(held) - len(held) % header.frame_bytes
        if whole:
            for frame in codec.decode(Packet(held[:whole])):  # pyright: ignore[reportUnknownMemberType]
                sink.take(frame)
            held = held[whole:]
    if held or left:
        raise GiveUpError(Reason.TRUNCATED)


def _decode_opus_packets(reader: PipeReader, sink: Sink, channel_count: int) -> None:
    codec = _audio_codec("opus")
    # OpusHead (RFC 7845 §5.1): version 1, no pre-skip, 48 kHz, no gain, mapping family 0.
    rate = (48_000).to_bytes(4, "little")
    codec.extradata = b"OpusHead\x01" + bytes([channel_count]) + b"\0\0" + rate + b"\0\0\0"
    codec.sample_rate = 48_000
    codec.layout = _LAYOUTS[channel_count - 1]
    index = 0
    while head := reader.read(PACKET_LENGTH.size):
        head += reader.read_exactly(PACKET_LENGTH.size - len(head), Reason.TRUNCATED)
        (size,) = PACKET_LENGTH.unpack(head)
        if not 0 < size <= MAX_OPUS_PACKET_BYTES:
            raise GiveUpError(Reason.PACKET, index)
        packet = Packet(reader.read_exactly(size, Reason.TRUNCATED))
        try:
            frames = codec.decode(packet)  # pyright: ignore[reportUnknownMemberType]
        except av.error.InvalidDataError:
            raise GiveUpError(Reason.PACKET, index) from None
        for frame in frames:
            sink.take(frame)
        index += 1


def _decode_container(kind: Kind, reader: PipeReader, sink: Sink, order: Order) -> None:
    file: Readable = reader
    if kind is Kind.OGG:
        reader.parts = OggPages()
    elif kind is Kind.M4A:
        reader.parts = Mp4Boxes()
        file = open_mp4(reader, order.buffered_bytes)
    try:
        container = _open(kind, file)
    except av.error.FFmpegError as error:
        if isinstance(error, MemoryError | ConnectionError):
            raise
        raise GiveUpError(Reason.TRUNCATED if reader.ended else Reason.HEADER) from None
    if not container.streams.audio:
        raise GiveUpError(Reason.NO_AUDIO_STREAM)
    stream = container.streams.audio[0]
    codec = stream.codec_context
    if codec.name not in _CODECS and not codec.name.startswith("pcm_"):
        raise GiveUpError(Reason.CODEC)
    codec.thread_count = 1
    decoding = _PacketDecoding(codec, sink)
    decoding.consume(container.demux(stream))
    sink.finish()
    decoding.judge(_expected_s(container), cut=reader.parts is not None and reader.parts.inside)


def _open(kind: Kind, file: Readable) -> InputContainer:
    name, allowed = _DEMUXERS[kind]
    # Not `fflags=nobuffer`: it throws away the packets that were read while probing.
    options = {
        "format_whitelist": allowed,
        "codec_whitelist": ",".join(_CODECS),
        "protocol_whitelist": "none",
        "probesize": "2048",
        "analyzeduration": "0",
    }
    return av.open(
        file, "r", format=name, container_options=options, buffer_size=4096, io_open=_refuse
    )


def _refuse(*_arguments: object) -> None:
    """Files that a file refers to are not opened."""
    raise PermissionError


def _audio_codec(name: str) -> AudioCodecContext:
    codec = av.CodecContext.create(name, "r")
    assert isinstance(codec, AudioCodecContext)
    codec.thread_count = 1
    return codec


def _expected_s(container: InputContainer) -> float:
    """Length that the header claims; 0 where it claims none, or speaks of other streams too."""
    stream = container.streams.audio[0]
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if container.duration and len(container.streams) == 1:
        return container.duration / 1_000_000
    return 0.0


class _PacketDecoding:
    """Decodes packets, goes on past bad ones, and says at the end what was wrong."""

    def __init__(self, codec: AudioCodecContext, sink: Sink) -> None:
        self._codec = codec
        self._sink = sink
        self._bad = 0
        self._bad_tail = 0
        self._short_tail = False

    def consume(self, packets: Iterable[_AudioPacket]) -> None:
        """Decode to the end of the input."""
        for packet in _until_unreadable(packets):
            if packet is None:
                self._bad += 1
                self._bad_tail += 1
                return
            self._one(packet)

    def _one(self, packet: _AudioPacket) -> None:
        if packet.size and self._codec.name.startswith("mp3"):
            self._short_tail = packet.size < mp3_frame_bytes(bytes(packet)[:4])
        try:
            frames = self._codec.decode(packet if packet.size else None)  # pyright: ignore[reportUnknownMemberType]
        except av.error.FFmpegError as error:
            if isinstance(error, MemoryError):
                raise
            self._bad += 1
            self._bad_tail += 1
            if self._bad > _MAX_BAD_PACKETS:
                raise GiveUpError(Reason.CORRUPT, self._bad) from None
            return
        if packet.size:
            self._bad_tail = 0
        for frame in frames:
            self._sink.take(frame)

    def judge(self, expected_s: float, *, cut: bool) -> None:
        """Raise what the end of the input tells. ``cut``: the container ends in the middle."""
        complete = expected_s > 0 and self._sink.decoded_s >= expected_s - _TAIL_TOLERANCE_S
        missing = expected_s > 0 and not complete
        bad = self._bad - self._bad_tail
        if bad:
            raise GiveUpError(Reason.CORRUPT, bad)
        if cut or missing or self._short_tail or (self._bad_tail and not complete):
            raise GiveUpError(Reason.TRUNCATED)
        if self._sink.decoded_s == 0.0:
            raise GiveUpError(Reason.HEADER)


def _until_unreadable(packets: Iterable[_AudioPacket]) -> "Iterator[_AudioPacket | None]":
    """The packets; a last None where the container cannot be read on."""
    try:
        yield from packets
    except av.error.FFmpegError as error:
        if isinstance(error, MemoryError | ConnectionError):
            raise
        yield None
