"""What ``listen`` shows: a value that events change, and how it looks. Knows neither clock nor network."""

from dataclasses import dataclass, field

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from speech_client import (
    GoingAway,
    RecognitionResult,
    RecognizeEvent,
    Reconnected,
    ResultKind,
    ServiceWarning,
    SessionEnded,
    SpeechEvent,
    SpeechEventKind,
)
from speech_service.cli.texts import went_on

_PICTURE_LINES = 8
"""Finals in the picture; older ones have scrolled away."""


@dataclass
class LiveView:
    """The state of the screen.

    Attributes:
        source: what is listened to.
        server: its address.
        model: name of the model.
        audio_ms: audio sent so far.
        lag_ms: how far the newest partial was behind the audio clock when it came; None before the first.
        first_words_ms: from the start of speech to its first partial or final; None before it.
        final_delays_ms: of each FINAL, from the end of its speech; the pause that ends a segment is part of it.
    """

    source: str
    server: str
    model: str
    audio_ms: int = 0
    speaking: bool = False
    lag_ms: int | None = None
    first_words_ms: int | None = None
    finals: list[RecognitionResult] = field(default_factory=list[RecognitionResult])
    partials: dict[int, RecognitionResult] = field(default_factory=dict[int, RecognitionResult])
    notices: list[str] = field(default_factory=list[str])
    ended: SessionEnded | None = None
    final_delays_ms: list[int] = field(default_factory=list[int])
    _speech_begin_ms: int | None = None
    _speech_end_ms: int | None = None

    def take(self, event: RecognizeEvent, clock_ms: int) -> None:
        """Take an event that came at ``clock_ms`` of the audio clock."""
        match event:
            case RecognitionResult():
                self._take_result(event, clock_ms)
            case SpeechEvent():
                self.speaking = event.kind is SpeechEventKind.BEGIN
                if not self.speaking:
                    self._speech_end_ms = event.time_ms
                elif self._speech_begin_ms is None:
                    self._speech_begin_ms = event.time_ms
            case ServiceWarning():
                self.notices.append(f"warning: {event.message}")
            case GoingAway():
                self.notices.append(f"the server stops in {event.drain_ms / 1000:.0f} s")
            case Reconnected():
                self.partials.clear()  # what was open comes again
                self.notices.append(went_on(event))
            case SessionEnded():
                self.ended = event
            case _:
                pass

    def _take_result(self, result: RecognitionResult, clock_ms: int) -> None:
        if result.is_final:
            self._take_final(result, clock_ms)
        elif result.kind is ResultKind.PARTIAL and result.text:
            self.lag_ms = max(0, clock_ms - result.end_ms)
            self._note_first_words(result, clock_ms)
            self.partials[result.segment_id] = result

    def _note_first_words(self, result: RecognitionResult, clock_ms: int) -> None:
        if self.first_words_ms is None:
            begin = result.start_ms if self._speech_begin_ms is None else self._speech_begin_ms
            self.first_words_ms = max(0, clock_ms - begin)

    def _take_final(self, result: RecognitionResult, clock_ms: int) -> None:
        self.partials.pop(result.segment_id, None)
        if result.text:
            self.finals.append(result)
            self._note_first_words(result, clock_ms)
            if self._speech_end_ms is not None and self._speech_end_ms > result.start_ms:
                self.final_delays_ms.append(max(0, clock_ms - self._speech_end_ms))

    @property
    def reached_ms(self) -> int:
        """How much of the audio there are finals of, in milliseconds."""
        return max((final.end_ms for final in self.finals), default=0)

    def open_part(self) -> RenderableType:
        """Give what still changes: open partials and the status line."""
        return Group(*(line(partial) for partial in self.partials.values()), self.status())

    def status(self) -> RenderableType:
        """Speaking or silent, and the clocks."""
        mark = Text("● speaking", "bold green") if self.speaking else Text("○ silence", "dim")
        grid = Table.grid(padding=(0, 3))
        values = [mark, _value("audio", clock(self.audio_ms))]
        if self.lag_ms is not None:
            style = "green" if self.lag_ms < 1000 else "yellow"
            values.append(_value("lag", f"{self.lag_ms} ms", style))
        if self.first_words_ms is not None:
            values.append(_value("first words", f"{self.first_words_ms} ms"))
        if self.final_delays_ms:
            values.append(_value("final", f"{self.final_delays_ms[-1]} ms"))
        grid.add_row(*values)
        return grid

    def picture(self) -> RenderableType:
        """Give the whole screen, for ``--record-svg``."""
        texts = [line(final) for final in self.finals[-_PICTURE_LINES:]]
        texts += [line(partial) for partial in self.partials.values()]
        return Padding(Group(*texts, Text(), self.status()), (1, 2))

    def title(self) -> str:
        """Name the picture."""
        return f"speech-service listen {self.source} · {self.model}"

    def summary(self) -> str:
        """Give one line about the session; empty before its end."""
        if self.ended is None:
            return ""
        usage, latency = self.ended.usage, self.ended.latency
        parts = [f"audio {usage.audio_in_ms / 1000:.1f} s, speech {usage.speech_ms / 1000:.1f} s"]
        if latency.first_result_ms is not None:
            parts.append(f"first result {latency.first_result_ms} ms after the first audio")
        if latency.p50_lag_ms is not None:
            parts.append(f"finals {latency.p50_lag_ms} ms after their audio (median)")
        if latency.p95_lag_ms is not None:
            parts.append(f"{latency.p95_lag_ms} ms (p95)")
        return "; ".join(parts)


def line(result: RecognitionResult) -> RenderableType:
    """Write a result with its time; what may still change is dim and italic."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column()
    tail = result.unstable_text
    # The space between the two goes with the first: some SVG viewers drop one that begins a styled piece.
    text = Text(result.stable_text + tail[: len(tail) - len(tail.lstrip())])
    text.append(tail.lstrip(), "dim italic")
    grid.add_row(Text(f"[{clock(result.start_ms)}]", "cyan"), text)
    return grid


def clock(milliseconds: int) -> str:
    """Write a time as ``mm:ss.s``."""
    tenths = milliseconds // 100
    return f"{tenths // 600:02}:{tenths // 10 % 60:02}.{tenths % 10}"


def _value(name: str, value: str, style: str = "") -> Text:
    return Text.assemble((f"{name} ", "dim"), (value, style))
