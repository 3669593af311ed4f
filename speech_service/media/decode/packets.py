"""Decodes the packets of a container, goes on past bad ones, and finds out how much is missing, and where.

Containers that stamp their packets show a gap by their time stamps. Streams of bare frames (MP3, AAC, AMR) have none:
there the bytes between two good frames say how many frames they were.
"""

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, TypeAlias

import av.error
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.packet import Packet

from speech_service.media.decode.sink import PcmSink
from speech_service.media.decode.sniff import is_layer_3_sync
from speech_service.media.decode.sources import GiveUpError
from speech_service.media.decode.wire import OPEN_END, Lost, Reason
from speech_service.media.mp3_frames import mp3_frame_bytes, mp3_frames_in

AudioPacket: TypeAlias = "Packet[AudioStream]"

# The last frame of files in the wild is often cut: a tail shorter than this is not missing.
_TAIL_TOLERANCE_S = 0.1
_SAMPLE_S = 0.001
# A header that claims less than there is (by this much) speaks of something else, a first fragment say.
_VOID_CLAIM_S = 0.5
MIN_GAP_S = 0.008
VORBIS_MIN_GAP_S = 0.05
"""FFmpeg stamps a Vorbis packet of another size than the one before some 10 ms late. What is lost are whole pages."""
_DOUBTFUL_GAP_S = 2.0
_MAX_GAP_S = 600.0
"""Seconds that a client may send as one silence at most; a time stamp that claims more is not believed."""
_MAX_LATE_S = 30.0
"""A recording that begins later than that was joined while it ran."""
_MAX_READ_ERRORS = 256
"""Errors in a row after which reading is given up: what cannot be read in that many places is not going to be."""
_TAGS = (b"ID3", b"TAG", b"APETAGEX", b"LYRICSBEGIN")


class Gaps(Protocol):
    """Tells how much is missing before a frame."""

    def bad(self, packet: AudioPacket) -> None:
        """A packet that cannot be decoded."""
        ...

    def good(self, start: int | None, size: int) -> None:
        """Bytes that were decoded, and where in the file they begin; their frames follow."""
        ...

    def before(self, frame: AudioFrame) -> float:
        """Seconds that are missing before ``frame``; it counts as placed."""
        ...


class StampedGaps:
    """``Gaps`` by time stamps. A frame is compared with its neighbour, so that a drifting clock makes no gaps."""

    def __init__(
        self,
        unit_s: float,
        starts_late: Callable[[float, int], bool] | None = None,
        min_gap_s: float = MIN_GAP_S,
    ) -> None:
        """Args:
        unit_s: of the time stamps.
        min_gap_s: the stamps are out by less than this.
        starts_late: whether audio is missing before the first frame, by its time in seconds and its rate.
        """
        self._unit_s = unit_s
        self._min_gap_s = min_gap_s
        self._next_s: float | None = None
        self._starts_late = starts_late

    def bad(self, packet: AudioPacket) -> None:
        """Take note of a bad packet. The time of the very first one is still that of the first audio."""
        if self._next_s is None and packet.pts is not None:
            self._next_s = packet.pts * self._unit_s

    def good(self, start: int | None, size: int) -> None:
        """Frames have stamps of their own."""

    def follows(self, frame: AudioFrame, following: AudioFrame) -> bool:
        """Whether the stamps of two frames fit each other."""
        if frame.pts is None or following.pts is None:
            return False
        length_s = frame.samples / frame.sample_rate
        return abs((following.pts - frame.pts) * self._unit_s - length_s) < length_s

    def jump(self, frame: AudioFrame) -> float:
        """Seconds between the end of the last frame and this one; 0 where they are too few to mean anything."""
        pts = frame.pts
        if pts is None:
            return 0.0
        at_s = pts * self._unit_s
        if self._next_s is None:
            if not self._is_late(at_s, frame.sample_rate):
                return 0.0
            self._next_s = 0.0
        gap_s = at_s - self._next_s
        if gap_s < self._min_gap_s:
            return 0.0
        return gap_s if gap_s >= 0.75 * frame.samples / frame.sample_rate else 0.0

    def _is_late(self, at_s: float, sample_rate_hz: int) -> bool:
        if self._starts_late is None or at_s > _MAX_LATE_S:
            return False
        return self._starts_late(at_s, sample_rate_hz)

    def before(self, frame: AudioFrame) -> float:
        gap_s, pts, length_s = self.jump(frame), frame.pts, frame.samples / frame.sample_rate
        if pts is not None:
            self._next_s = pts * self._unit_s + length_s
        elif self._next_s is not None:
            self._next_s += length_s
        return min(gap_s, _MAX_GAP_S)

    def until(self, units: int) -> float:
        """Seconds between the end of the last frame and a time in units of the stamps; 0 where they are none."""
        return 0.0 if self._next_s is None else max(0.0, units * self._unit_s - self._next_s)

    def distrust(self, frame: AudioFrame) -> None:
        """Place ``frame`` right behind the last one: its stamp is wrong."""
        if self._next_s is not None:
            self._next_s += frame.samples / frame.sample_rate


class CountedGaps:
    """``Gaps`` by the bytes between good frames.

    Frames of one size: bytes that make up whole frames were frames. Others were put in, and cost the frame that they
    broke, if they broke one. Frames of several sizes: as many as would fit.
    """

    def __init__(self, is_start: Callable[[bytes], bool]) -> None:
        """``is_start``: whether bytes begin like a frame."""
        self._is_start = is_start
        self._end: int | None = None
        self._sizes: deque[int] = deque(maxlen=16)
        self._bad_head: bytes | None = None
        self._missing = 0

    def bad(self, packet: AudioPacket) -> None:
        """Remember how the first of them begins."""
        if self._bad_head is None:
            self._bad_head = bytes(packet)[:12]

    def good(self, start: int | None, size: int) -> None:
        """Count what lies between them and the last good ones."""
        if start is not None and self._end is not None and self._sizes:
            self._missing = self._frames_in(start - self._end)
        if start is not None:
            self._end = start + size
        self._sizes.append(size)
        self._bad_head = None

    def before(self, frame: AudioFrame) -> float:
        missing, self._missing = self._missing, 0
        return missing * frame.samples / frame.sample_rate

    def _frames_in(self, size: int) -> int:
        head = self._bad_head
        if size <= 0 or (head is not None and head.startswith(_TAGS)):
            return 0
        mean = sum(self._sizes) / len(self._sizes)
        count = round(size / mean)
        if max(self._sizes) - min(self._sizes) > 1:
            return count
        if abs(size - count * mean) <= count:
            return count
        return int(head is not None and self._is_start(head))


class PacketDecoding:
    """Feeds packets to a codec and what comes out to a sink."""

    def __init__(
        self, codec: AudioCodecContext, sink: PcmSink, gaps: Gaps, *, is_bare_aac: bool = False
    ) -> None:
        """``is_bare_aac``: there is no container to say what comes before the audio."""
        self._is_bare_aac = is_bare_aac
        self._codec = codec
        self._sink = sink
        self._gaps = gaps
        self._bad = 0
        self._bad_tail = 0
        self._short_tail = False
        self._longest_s = 0.0
        """Length of the longest frame: headers of some kinds count whole frames."""
        self._doubtful: AudioFrame | None = None
        """A frame whose stamp jumps far: the next one tells whether that is so."""

    def consume(self, read: Callable[[], Iterable[AudioPacket]]) -> None:
        """Decode to the end of the input. ``read`` gives its packets from where reading stopped."""
        for packet in _readable(read):
            if packet is None:
                self._bad += 1
                self._bad_tail += 1
            else:
                self._one(packet)
        if self._doubtful is not None:
            self._put(self._doubtful)

    def _one(self, packet: AudioPacket) -> None:
        is_mp3 = self._codec.name.startswith("mp3")
        data = bytes(packet) if is_mp3 else b""
        frames = None
        if not data or is_layer_3_sync(data):
            frames = self._decoded(packet if packet.size else None)
        if frames is None:
            self._bad += 1
            self._gaps.bad(packet)
            # Behind the last MP3 frame come tags and junk: only a frame that is cut off is missing.
            self._bad_tail += not is_mp3 or _is_cut_frame(data)
            self._salvage(data, packet.pos)
            return
        if packet.size:
            self._take(packet.pos, packet.size, frames)
            self._short_tail = is_mp3 and packet.size < mp3_frame_bytes(data)
        else:
            for frame in frames:
                frame.pts = None  # In what unit it would be is not said.
                self._place(frame)

    def _salvage(self, data: bytes, start: int | None) -> None:
        """FFmpeg leaves an MP3 frame right behind junk in one packet with it."""
        for at, size in mp3_frames_in(data):
            frames = self._decoded(Packet(data[at : at + size]))
            if frames is not None:
                self._take(None if start is None else start + at, size, frames)

    def _take(self, start: int | None, size: int, frames: list[AudioFrame]) -> None:
        self._bad_tail = 0
        self._gaps.good(start, size)
        for frame in frames:
            self._place(frame)

    def _decoded(self, packet: "Packet[Any] | None") -> list[AudioFrame] | None:
        """Decode a packet; None where it cannot be decoded."""
        try:
            return self._codec.decode(packet)  # pyright: ignore[reportUnknownMemberType]
        except av.error.FFmpegError as error:
            if isinstance(error, MemoryError):
                raise
            return None

    def _place(self, frame: AudioFrame) -> None:
        gaps = self._gaps
        held, self._doubtful = self._doubtful, None
        if not isinstance(gaps, StampedGaps):
            self._put(frame, gaps.before(frame))
            return
        if held is not None:
            self._settle(held, frame, gaps)
        if gaps.jump(frame) > _DOUBTFUL_GAP_S and held is None:
            self._doubtful = frame
            return
        self._put(frame, gaps.before(frame))

    def _settle(self, held: AudioFrame, following: AudioFrame, gaps: StampedGaps) -> None:
        """A jump is real where the frame behind it goes on from there."""
        if gaps.follows(held, following):
            self._put(held, gaps.before(held))
        else:
            gaps.distrust(held)
            self._put(held)

    def _put(self, frame: AudioFrame, missing_s: float = 0.0) -> None:
        self._sink.begin(frame)
        if self._is_bare_aac and not self._longest_s:
            # Half of the first frame's transform lies before it: no encoder can put audio there.
            self._sink.skip(frame.samples)
        self._longest_s = max(self._longest_s, frame.samples / frame.sample_rate)
        if missing_s:
            self._sink.silence(missing_s)
        self._sink.take(frame)

    def finish(self, expected_s: float, *, cut: bool, end: int = 0) -> None:
        """Say what the end of the input tells.

        Args:
            expected_s: length that the header claims; 0: none.
            cut: the container ends in the middle of a part.
            end: time stamp of the end of the audio that the container tells; 0: none.

        Raises:
            GiveUpError: nothing could be decoded.
        """
        self._sink.finish()
        length_s = self._sink.length_s
        if not length_s and self._longest_s:
            return  # less than comes before the audio
        if not length_s:
            if self._bad > self._bad_tail:
                raise GiveUpError(Reason.CORRUPT, self._bad)
            ended = cut or self._short_tail or self._bad_tail or expected_s
            raise GiveUpError(Reason.TRUNCATED if ended else Reason.HEADER)
        claimed = expected_s > 0 and length_s <= expected_s + _VOID_CLAIM_S
        ends_badly = cut or self._short_tail or bool(self._bad_tail)
        tolerance_s = _SAMPLE_S if ends_badly else max(_TAIL_TOLERANCE_S, self._longest_s)
        missing_s = expected_s - length_s if claimed else self._until(end)
        if missing_s > tolerance_s or (ends_badly and not claimed):
            is_told = claimed or (not ends_badly and missing_s <= _MAX_GAP_S)
            missing = round(max(0.0, missing_s) * self._sink.sample_rate_hz)
            last = self._sink.frames + missing if is_told and missing_s > tolerance_s else OPEN_END
            self._sink.lost(Lost.TRUNCATED, self._sink.frames, last)

    def _until(self, end: int) -> float:
        return self._gaps.until(end) if end and isinstance(self._gaps, StampedGaps) else 0.0


def _is_cut_frame(data: bytes) -> bool:
    """Bytes at the end of an MP3, less than a frame."""
    return mp3_frame_bytes(data) > 0 or (len(data) < 4 and data.startswith(b"\xff"))


def _readable(read: Callable[[], Iterable[AudioPacket]]) -> "Iterator[AudioPacket | None]":
    """Give the packets, and None for each place that cannot be read."""
    errors = itertools.count()
    while next(errors) < _MAX_READ_ERRORS:
        try:
            for packet in read():
                errors = itertools.count()
                yield packet
        except av.error.FFmpegError as error:
            if isinstance(error, MemoryError | ConnectionError):
                raise
            yield None
        else:
            return
