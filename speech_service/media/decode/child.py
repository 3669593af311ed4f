"""One decode job in a forked child: bytes of a client's file in, float32 audio out, under limits.

Only what the service accepts can run: one demuxer per job, named codecs, the first audio stream,
no protocol but the job socket. What cannot be decoded is reported (LOST), and silence stands in for
it; a job fails (FAILED) where nothing can be decoded, or at a limit.
"""

import os
import socket
from collections.abc import Callable

import av
import av.error
import av.subtitles.stream  # pyright: ignore[reportUnusedImport]  (PyAV imports it late)
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container.input import InputContainer
from av.packet import Packet

from speech_service.media.codec.confine import confine
from speech_service.media.codec.wire import Order
from speech_service.media.decode.packets import (
    MIN_GAP_S,
    VORBIS_MIN_GAP_S,
    CountedGaps,
    Gaps,
    PacketDecoding,
    StampedGaps,
)
from speech_service.media.decode.sink import PcmSink
from speech_service.media.decode.sniff import (
    KIND_OF,
    SEARCH_BYTES,
    first_audio,
    is_adts_sync,
    is_layer_3_sync,
    sniff,
)
from speech_service.media.decode.sources import (
    READ_BYTES,
    ContainerParts,
    GiveUpError,
    Mp4Boxes,
    OggPages,
    PipeReader,
    Readable,
    caf_chunks,
    open_caf,
    open_mp4,
    skip_id3,
    w64_chunks,
)
from speech_service.media.decode.wav import WavBlocks, WavHeader, next_samples, read_wav_header
from speech_service.media.decode.wire import (
    MAX_CONTAINER_CHANNELS,
    MAX_CONTAINER_RATE_HZ,
    MAX_OPUS_PACKET_BYTES,
    MAX_VALUE,
    MIN_CONTAINER_RATE_HZ,
    PACKET_LENGTH,
    Kind,
    Lost,
    Message,
    Reason,
)
from speech_service.media.mp3_frames import mp3_length_s, mp3_priming_samples

_DEMUXERS = {
    Kind.WAV: ("wav", "wav"),
    Kind.FLAC: ("flac", "flac"),
    Kind.OGG: ("ogg", "ogg"),
    Kind.MP3: ("mp3", "mp3"),
    Kind.WEBM: ("matroska", "matroska,webm"),
    Kind.M4A: ("mov", "mov,mp4,m4a,3gp,3g2,mj2"),
    Kind.AIFF: ("aiff", "aiff"),
    Kind.AAC: ("aac", "aac"),
    Kind.AMR: ("amr", "amr"),
    Kind.CAF: ("caf", "caf"),
    Kind.W64: ("w64", "w64"),
}
_CODED = ("flac", "opus", "vorbis", "mp3", "mp3float", "aac", "alac", "amrnb", "amrwb")
_ADPCM = ("adpcm_ima_wav", "adpcm_ms", "adpcm_ima_qt")
_PCM = (
    "pcm_u8",
    "pcm_s8",
    "pcm_alaw",
    "pcm_mulaw",
    *(f"pcm_s{bits}{end}" for bits in (16, 24, 32) for end in ("le", "be")),
    *(f"pcm_f{bits}{end}" for bits in (32, 64) for end in ("le", "be")),
)
_CODECS = (*_CODED, *_ADPCM, *_PCM)
_LAYOUTS = ("mono", "stereo", "2.1", "quad", "5.0", "5.1", "6.1", "7.1")
_BARE_FRAMES: dict[Kind, Callable[[bytes], bool]] = {
    Kind.MP3: is_layer_3_sync,
    Kind.AAC: is_adts_sync,
    Kind.AMR: bool,
}
"""Kinds without time stamps, and whether bytes begin like a frame."""
_PARTS: dict[Kind, Callable[[], ContainerParts]] = {
    Kind.OGG: OggPages,
    Kind.CAF: caf_chunks,
    Kind.W64: w64_chunks,
}
_XING_BYTES = 192
"""Bytes of a first MP3 frame in which a tag tells the length."""
_MAX_BAD_OPUS_PACKETS = 50
"""Bad packets in a row at the start that show that the audio is no Opus."""


def warm_up() -> None:
    """Load what every job needs, so that children share it; a confined child can import nothing."""
    for codec in _CODECS:
        av.CodecContext.create(codec, "r")


def run(job: socket.socket, order: Order) -> None:
    """Decode what comes in on ``job`` and end the process."""
    confine(order)
    job.setblocking(True)
    sink = PcmSink(job, order)
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


def _fail(sink: PcmSink, reason: Reason, value: int = 0) -> None:
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


def _decode(job: socket.socket, order: Order, sink: PcmSink) -> None:
    first = job.recv(1)
    if not first:
        return
    kind = Kind(first[0])
    reader = PipeReader(job, before_wait=sink.wait)
    if kind is Kind.MP3:
        kind = _behind_tags(reader)
    if kind is Kind.WAV:
        _decode_wav(reader, sink, order)
    elif kind is Kind.OPUS_PACKETS:
        _decode_opus_packets(reader, sink, order.channel_count)
    else:
        _decode_container(kind, reader, sink, order)


def _decode_wav(reader: PipeReader, sink: PcmSink, order: Order) -> None:
    header = read_wav_header(reader)
    if isinstance(header, WavBlocks):
        reader.unread(header.head)
        _decode_container(Kind.WAV, reader, sink, order)
        return
    if not 1 <= header.channel_count <= MAX_CONTAINER_CHANNELS:
        raise GiveUpError(Reason.CHANNEL_COUNT, header.channel_count)
    if not MIN_CONTAINER_RATE_HZ <= header.sample_rate_hz <= MAX_CONTAINER_RATE_HZ:
        raise GiveUpError(Reason.SAMPLE_RATE, header.sample_rate_hz)
    codec = _audio_codec(header.codec)
    codec.sample_rate = header.sample_rate_hz
    codec.layout = _LAYOUTS[header.channel_count - 1]
    while True:
        _decode_samples(reader, sink, codec, header)
        following = next_samples(reader, header)
        if following is None:
            return
        header = following


def _decode_samples(
    reader: PipeReader, sink: PcmSink, codec: AudioCodecContext, header: WavHeader
) -> None:
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
    if left:
        if not sink.frames:
            raise GiveUpError(Reason.TRUNCATED)
        missing = -(-(left + len(held)) // header.frame_bytes)
        sink.lost(Lost.TRUNCATED, sink.frames, sink.frames + missing)


def _decode_opus_packets(reader: PipeReader, sink: PcmSink, channel_count: int) -> None:
    codec = _audio_codec("opus")
    # OpusHead (RFC 7845 §5.1): version 1, no pre-skip, 48 kHz, no gain, mapping family 0.
    rate = (48_000).to_bytes(4, "little")
    codec.extradata = b"OpusHead\x01" + bytes([channel_count]) + b"\0\0" + rate + b"\0\0\0"
    codec.sample_rate = 48_000
    codec.layout = _LAYOUTS[channel_count - 1]
    bad = 0
    frame: AudioFrame | None = None
    while head := reader.read(PACKET_LENGTH.size):
        head += reader.read_exactly(PACKET_LENGTH.size - len(head), Reason.TRUNCATED)
        (size,) = PACKET_LENGTH.unpack(head)
        if not 0 < size <= MAX_OPUS_PACKET_BYTES:
            raise GiveUpError(Reason.PACKET, bad)
        packet = Packet(reader.read_exactly(size, Reason.TRUNCATED))
        try:
            frames = codec.decode(packet)  # pyright: ignore[reportUnknownMemberType]
        except av.error.InvalidDataError:
            bad += 1
            if frame is not None:
                sink.silence(frame.samples / frame.sample_rate)
            elif bad >= _MAX_BAD_OPUS_PACKETS:
                raise GiveUpError(Reason.PACKET, 0) from None
            continue
        for number, decoded in enumerate(frames):
            sink.begin(decoded)
            if frame is None and not number:
                sink.silence(bad * decoded.samples / decoded.sample_rate)
            sink.take(decoded)
            frame = decoded
    if bad and frame is None:
        raise GiveUpError(Reason.PACKET, 0)


def _decode_container(kind: Kind, reader: PipeReader, sink: PcmSink, order: Order) -> None:
    if kind in _PARTS:
        reader.parts = _PARTS[kind]()
    head = b""
    if kind is Kind.MP3:
        reader.unread(head := reader.read_up_to(_XING_BYTES))
    priming = mp3_priming_samples(head)
    file = _readable(kind, reader, order)
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
    if codec.name not in _CODECS:
        raise GiveUpError(Reason.CODEC)
    codec.thread_count = 1
    # Of a file in fragments it is the length of those that were read.
    in_fragments = isinstance(file, Mp4Boxes) and file.has_fragments
    expected_s = 0.0 if in_fragments else _expected_s(container) or mp3_length_s(head)
    if expected_s and priming:
        expected_s = max(0.0, expected_s - priming / codec.sample_rate)
    sink.skip(priming)
    gaps = _gaps(kind, reader, stream)
    decoding = PacketDecoding(codec, sink, gaps, is_bare_aac=kind is Kind.AAC)
    decoding.consume(lambda: container.demux(stream))
    parts = file if isinstance(file, Mp4Boxes) else reader.parts
    end = reader.parts.end_granule if isinstance(reader.parts, OggPages) else 0
    decoding.finish(expected_s, cut=parts is not None and parts.inside, end=end)


def _readable(kind: Kind, reader: PipeReader, order: Order) -> Readable:
    """Give the file as FFmpeg gets it: whole where it must be, else as it comes."""
    if kind is Kind.CAF:
        return open_caf(reader, order.buffered_bytes)
    if kind is not Kind.M4A:
        return reader
    file = open_mp4(reader, order.buffered_bytes)
    return Mp4Boxes(reader) if file is reader else file


def _gaps(kind: Kind, reader: PipeReader, stream: AudioStream) -> Gaps:
    if kind in _BARE_FRAMES:
        return CountedGaps(_BARE_FRAMES[kind])
    pages = reader.parts
    starts_late = pages.starts_late if isinstance(pages, OggPages) else None
    is_vorbis = stream.codec_context.name == "vorbis"
    min_gap_s = VORBIS_MIN_GAP_S if is_vorbis else MIN_GAP_S
    return StampedGaps(float(stream.time_base or 0), starts_late, min_gap_s)


def _behind_tags(reader: PipeReader) -> Kind:
    """Give what is behind ID3 tags: mostly MP3, but programs put them before anything."""
    found = sniff(skip_id3(reader))
    if found is not None:
        return KIND_OF[found]
    head = b""
    beginning = None
    while beginning is None and len(head) < SEARCH_BYTES and (more := reader.read(SEARCH_BYTES)):
        head += more
        beginning = first_audio(head[:SEARCH_BYTES])
    reader.unread(head[beginning.at :] if beginning else head)
    return KIND_OF[beginning.container] if beginning else Kind.MP3


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
