"""What was sent on a stream and may have to be sent again: audio since the last FINAL, and controls in their place.

Pure: no clock, no network. Positions are milliseconds of session audio, as the server counts it.
"""

from collections import deque
from dataclasses import dataclass
from typing import Any, Protocol

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from speech.v1 import audio_pb2
from speech_client.options import ENCODINGS
from speech_client.reconnect import CannotResumeError, ReconnectPolicy

CONTROLS = frozenset({"finalize", "reset", "update_config"})
ENDS = frozenset({"end_of_audio", "end_of_input", "end_of_text"})
_TIMED = frozenset({"audio", "silence"})
_BYTES_PER_SAMPLE = dict(ENCODINGS.values())
_FRAME_US = (
    *(10_000, 20_000, 40_000, 60_000) * 3,
    *(10_000, 20_000) * 2,
    *(2_500, 5_000, 10_000, 20_000) * 4,
)
"""Length of an Opus frame in microseconds, by the packet's configuration number (RFC 6716, 3.1)."""


class AudioLength(Protocol):
    """How long pieces of audio are, and where they can be cut."""

    def ms(self, data: bytes) -> float:
        """Length of a piece."""
        ...

    def after(self, data: bytes, ms: float) -> bytes:
        """A piece without its beginning, as far as it can be cut."""
        ...


class RawLength:
    """Headerless audio; ``frame_bytes`` of all channels together."""

    def __init__(self, rate_hz: int, frame_bytes: int) -> None:
        self._rate_hz = rate_hz
        self._frame_bytes = frame_bytes

    def ms(self, data: bytes) -> float:
        """As of ``AudioLength``."""
        return len(data) / self._frame_bytes * 1000 / self._rate_hz

    def after(self, data: bytes, ms: float) -> bytes:
        """As of ``AudioLength``: at the frame."""
        frames = int(ms * self._rate_hz / 1000)
        return data[frames * self._frame_bytes :]


class PacketLength:
    """Bare Opus packets; the first byte says how long one is."""

    def ms(self, data: bytes) -> float:
        """As of ``AudioLength``."""
        if not data:
            return 0.0
        code = data[0] & 3
        count = (1, 2, 2)[code] if code < 3 else data[1] & 63 if len(data) > 1 else 0
        return count * _FRAME_US[data[0] >> 3] / 1000

    def after(self, data: bytes, ms: float) -> bytes:
        """As of ``AudioLength``: not at all."""
        del ms
        return data


def length_of(audio: audio_pb2.AudioFormat) -> AudioLength | None:
    """How the audio of a format is measured; None: a container, which cannot be cut."""
    match audio.WhichOneof("format"):
        case "raw":
            raw = audio.raw
            width = _BYTES_PER_SAMPLE.get(raw.encoding)
            if width is None or not raw.sample_rate_hz:
                return None  # the server refuses it
            return RawLength(raw.sample_rate_hz, width * (raw.channel_count or 1))
        case "opus_packets":
            return PacketLength()
        case _:
            return None


@dataclass(slots=True, eq=False)
class Sent:
    """A message that was sent. ``at_ms``, ``end_ms``: its place; ``is_acked``: its answer has come; ``is_done``: it
    need not be sent again."""

    number: int
    kind: str
    message: Any
    at_ms: float
    end_ms: float
    is_acked: bool = False
    is_done: bool = False


class SentLog:
    """The messages of one stream that are not done."""

    def __init__(self, audio: audio_pb2.AudioFormat, policy: ReconnectPolicy) -> None:
        self._length = length_of(audio)
        self._policy = policy
        self._entries: deque[Sent] = deque()
        self._bytes = 0
        self._next_number = 0
        self._cursor = 0
        """Number of the entry that is sent next."""
        self._due: deque[Sent] = deque()
        """Control messages of the call that runs, whose answers are due."""
        self._position_ms = 0.0
        self._audio_began_ms: float | None = None
        self._done_ms = 0.0
        self._kept_from_ms = 0.0
        """Everything from here on is kept."""
        self._broken = ""
        self.is_ended = False
        """The end of the input was sent."""

    @property
    def is_cut_anywhere(self) -> bool:
        """Whether the audio's bytes tell their time."""
        return self._length is not None

    @property
    def kept_ms(self) -> float:
        """Audio that is kept."""
        return self._position_ms - self._kept_from_ms

    def add(self, kind: str, message: Any, *, live: bool) -> None:
        """Note what is sent now; not ``live``: it is sent once all before it was sent again."""
        at_ms, end_ms = self._position_ms, self._position_ms
        if kind == "audio":
            if self._audio_began_ms is None:
                self._audio_began_ms = at_ms
            if self._length is not None:
                end_ms += self._length.ms(message.audio.data)
        elif kind == "silence":
            end_ms += message.silence.duration.ToMicroseconds() / 1000
        self.is_ended |= kind in ENDS
        entry = Sent(self._next_number, kind, message, at_ms, end_ms)
        self._next_number += 1
        self._position_ms = end_ms
        self._entries.append(entry)
        self._bytes += len(message.audio.data) if kind == "audio" else 0
        if live:
            self._cursor = self._next_number
            if kind in CONTROLS:
                self._due.append(entry)
        self._hold_bounds()

    def done_to(self, ms: float) -> list[Sent]:
        """Everything before ``ms`` is done; gives the control messages that have taken their full effect."""
        self._done_ms = max(self._done_ms, ms)
        return self._trim()

    def answered(self) -> Sent | None:
        """The oldest control message that waits for its answer, which has come; None: none waits."""
        return self._due.popleft() if self._due else None

    def begins_ms(self, from_ms: float) -> float:
        """Where the audio begins that would be sent again so that the stream goes on at ``from_ms``.

        Raises:
            CannotResumeError: not everything from there on is kept.
        """
        if self._broken:
            raise CannotResumeError(self._broken)
        if self._length is None:
            return self._audio_began_ms or 0.0
        if from_ms < self._kept_from_ms:
            seconds = (self._position_ms - from_ms) / 1000
            raise CannotResumeError(f"{seconds:.1f} s of audio are not final, more than is kept")
        first = next((e for e in self._entries if e.kind in _TIMED and e.end_ms > from_ms), None)
        if first is None or first.kind == "silence" or isinstance(self._length, RawLength):
            return from_ms
        return min(first.at_ms, from_ms)

    def rewind(self) -> None:
        """A new call runs: everything is sent again."""
        self._due.clear()
        self._cursor = self._entries[0].number if self._entries else self._next_number

    def next(self, from_ms: float) -> Any | None:
        """The next message that is sent again, from ``from_ms`` on; None: all was sent."""
        while self._cursor < self._next_number:
            entry = self._entries[self._cursor - self._entries[0].number]
            self._cursor += 1
            if entry.is_done:
                continue
            if entry.kind in CONTROLS:
                self._due.append(entry)
            message = self._cut(entry, from_ms)
            if message is not None:
                return message
        return None

    def _cut(self, entry: Sent, from_ms: float) -> Any | None:
        """The message without what lies before ``from_ms``; numbers of chunks count anew, so they go."""
        if entry.kind not in _TIMED:
            return entry.message
        if self._length is not None and entry.end_ms <= from_ms:
            return None
        copy: Any = type(entry.message)()
        copy.CopyFrom(entry.message)
        if entry.kind == "audio":
            copy.audio.ClearField("sequence")
        if self._length is None or entry.at_ms >= from_ms:
            return copy
        known_ms = from_ms - entry.at_ms
        if entry.kind == "silence":
            left_us = round((entry.end_ms - from_ms) * 1000)
            copy.silence.duration.CopyFrom(_duration(left_us))
        else:
            copy.audio.data = self._length.after(copy.audio.data, known_ms)
            if not copy.audio.data:
                return None
        return copy

    def _trim(self) -> list[Sent]:
        """Let go what is done, from the oldest on; a container is kept from its first byte."""
        passed: list[Sent] = []
        while self._length is not None and self._entries:
            first = self._entries[0]
            waits = first.kind in CONTROLS and not (first.is_acked or first.is_done)
            unsent = first.number >= self._cursor
            if waits or unsent or first.kind in ENDS or first.end_ms > self._done_ms:
                break
            if first.kind in CONTROLS and not first.is_done:
                passed.append(first)
            self._drop_first()
        return passed

    def _hold_bounds(self) -> None:
        policy = self._policy
        while self._bytes > policy.keep_bytes or self.kept_ms > policy.keep_s * 1000:
            if self._length is None:
                self._broken = "the audio is a container, which is longer than is kept"
                self._entries.clear()
                self._bytes = 0
                return
            if not self._entries or self._entries[0].number >= self._cursor:
                return
            if self._entries[0].kind in CONTROLS and not self._entries[0].is_acked:
                self._broken = (
                    "a control message has waited for its answer longer than audio is kept"
                )
            self._drop_first()

    def _drop_first(self) -> None:
        first = self._entries.popleft()
        if first.kind == "audio":
            self._bytes -= len(first.message.audio.data)
        self._kept_from_ms = max(self._kept_from_ms, first.end_ms)


def _duration(microseconds: int) -> Duration:
    value = Duration()
    value.FromMicroseconds(microseconds)
    return value


def payload(message: Message) -> str:
    """The name of what a client message carries; empty: nothing."""
    untyped: Any = message
    return untyped.WhichOneof("payload") or ""
