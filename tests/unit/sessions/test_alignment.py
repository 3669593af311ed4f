"""The alignment session against a device that knows the truth: nothing is lost, repeated or out of order."""

import itertools
import random
import re
from dataclasses import dataclass, field

import numpy as np
import pytest

from speech_service.domain.alignment import (
    AlignedUnit,
    Alignment,
    AlignmentOptions,
    Granularity,
    UnalignedReason,
    UnalignedSpan,
)
from speech_service.domain.errors import (
    InternalError,
    InvalidOptionError,
    LimitExceededError,
    SpeechError,
)
from speech_service.domain.events import (
    AlignedUnits,
    Cancel,
    ControlAck,
    Emit,
    Finish,
    SessionEnded,
    Submit,
)
from speech_service.domain.recognition import Pacing
from speech_service.domain.work import (
    AlignWork,
    DropReason,
    WorkClass,
    WorkDone,
    WorkDropped,
    WorkFailed,
    WorkTiming,
)
from speech_service.sessions.alignment.events import AlignmentAction, AlignmentEvent
from speech_service.sessions.alignment.session import (
    MAX_TEXT_CHARACTERS,
    WHOLE,
    AlignmentIdentity,
    AlignmentPace,
    AlignmentSession,
)

WORD_MS = 400
"""Word ``w7`` is spoken from 7 * 400 ms on."""


def oracle(work: AlignWork) -> Alignment:
    """Place each word of the text that is wholly in the window; sample i of the stream has the value i + 1."""
    start_ms = (int(work.samples[0]) - 1) / 16
    end_ms = start_ms + len(work.samples) / 16
    units: list[AlignedUnit] = []
    spans: list[UnalignedSpan] = []
    for match in re.finditer(r"w(\d+)", work.text):
        at_ms = int(match[1]) * WORD_MS
        begin, end = match.span()
        if start_ms - 110 <= at_ms and at_ms + WORD_MS <= end_ms + 1:
            first = max(0, round(at_ms - start_ms))
            last = min(round(at_ms + WORD_MS - start_ms), len(work.samples) // 16)
            units.append(AlignedUnit(match[0], Granularity.WORD, begin, end, first, last))
        else:
            reason = UnalignedReason.TEXT_NOT_SPOKEN
            spans.append(UnalignedSpan(begin, end, 0, round(end_ms - start_ms), reason))
    return Alignment(tuple(units), tuple(spans))


@dataclass
class Drive:
    """A session between a scripted client and the oracle."""

    pacing: Pacing = Pacing.REALTIME
    pace: AlignmentPace | None = None
    events: list[AlignmentEvent] = field(default_factory=list[AlignmentEvent])
    work: list[AlignWork] = field(default_factory=list[AlignWork])
    cancelled: list[str] = field(default_factory=list[str])
    finished: bool = False
    error: SpeechError | None = None
    position: int = 0
    classes: list[WorkClass] = field(default_factory=list[WorkClass])

    def __post_init__(self) -> None:
        options = AlignmentOptions("m", "en", Granularity.WORD, self.pacing)
        self.session = AlignmentSession(AlignmentIdentity("s"), options, lambda: 0.0, self.pace)
        self.perform(self.session.start())

    def perform(self, actions: list[AlignmentAction]) -> None:
        for action in actions:
            assert not self.finished
            match action:
                case Emit(event):
                    self.events.append(event)
                case Submit(work):
                    assert isinstance(work, AlignWork)
                    assert not self.work, "one window at a time"
                    assert len(work.samples)
                    self.work.append(work)
                    self.classes.append(work.work_class)
                case Cancel(work_id):
                    self.cancelled.append(work_id)
                case Finish(error):
                    self.finished, self.error = True, error
                case _:
                    raise AssertionError(action)

    def audio(self, ms: float) -> "Drive":
        count = round(ms * 16)
        block = np.arange(self.position + 1, self.position + count + 1).astype(np.float32)
        self.position += count
        self.perform(self.session.audio(block[:, None]))
        return self

    def text(self, piece: str, end: bool = False) -> "Drive":
        self.perform(self.session.text(piece, end))
        return self

    def finalize(self, control_id: str = "f") -> "Drive":
        self.perform(self.session.finalize(control_id))
        return self

    def answer(self, limit: int = 1_000) -> "Drive":
        while self.work and limit:
            work = self.work.pop()
            self.perform(
                self.session.work_event(WorkDone(work.work_id, oracle(work), WorkTiming()))
            )
            limit -= 1
        assert limit or not self.work or limit == 0
        return self

    def end(self) -> "Drive":
        self.perform(self.session.end_of_input())
        return self.answer()

    @property
    def units(self) -> list[AlignedUnit]:
        return [u for e in self.events if isinstance(e, AlignedUnits) for u in e.units]

    @property
    def spans(self) -> list[UnalignedSpan]:
        return [e for e in self.events if isinstance(e, UnalignedSpan)]


def check(drive: Drive, text: str) -> None:
    """What holds of every session that ended well."""
    assert drive.finished
    assert drive.error is None
    assert isinstance(drive.events[-1], SessionEnded)
    units = drive.units
    assert all(text[u.char_start : u.char_end] == u.text for u in units)
    assert all(a.char_end <= b.char_start for a, b in itertools.pairwise(units))
    assert all(a.end_ms <= b.start_ms for a, b in itertools.pairwise(units))
    assert all(u.start_ms < u.end_ms for u in units)
    seen = [0] * len(text)
    for piece in (*units, *drive.spans):
        for at in range(piece.char_start, piece.char_end):
            seen[at] += 1
    for at, char in enumerate(text):
        if char.isalnum():
            assert seen[at] == 1, (at, text[max(0, at - 10) : at + 10], seen[at])


def script(count: int) -> str:
    return " ".join(f"w{number}" for number in range(count))


@pytest.mark.parametrize("seed", range(120))
def test_any_interleaving_accounts_for_every_word_once(seed: int) -> None:
    rng = random.Random(seed)
    count = rng.randint(1, 120)
    text = re.sub(r" ", lambda _: rng.choice([" ", ", ", ". ", "\n"]), script(count))
    spoken_ms = rng.choice([0, count * WORD_MS // 2, count * WORD_MS, count * WORD_MS + 9_000])
    drive = Drive(rng.choice(list(Pacing)), rng.choice([None, None, WHOLE]))
    left, at = float(spoken_ms), 0
    acks: list[str] = []
    while left > 0 or at < len(text):
        match rng.randrange(8):
            case 0 | 1 | 2 if left > 0:
                step = min(left, rng.uniform(1, 4_000))
                drive.audio(step)
                left -= step
            case 3 | 4 if at < len(text):
                step = rng.randint(1, 60)
                drive.text(text[at : at + step])
                at += step
            case 5 if rng.random() < 0.2 and (at >= len(text) or text[at - 1 : at].isspace()):
                acks.append(str(len(acks)))
                drive.finalize(acks[-1])
            case 6:
                drive.answer(1)
            case _:
                drive.answer()
    drive.end()
    check(drive, text)
    got = [e.control_id for e in drive.events if isinstance(e, ControlAck)]
    assert got == acks


def test_known_text_is_placed_where_it_is_spoken_long_before_the_end() -> None:
    drive = Drive().text(script(100), end=True)
    for _ in range(200):
        drive.audio(100).answer()
    assert [u.text for u in drive.units] == [f"w{n}" for n in range(len(drive.units))]
    assert len(drive.units) >= 40
    assert all(abs(u.start_ms - n * WORD_MS) <= 1 for n, u in enumerate(drive.units))
    for _ in range(200):
        drive.audio(100).answer()
    drive.end()
    check(drive, script(100))
    assert len(drive.units) == 100
    assert not drive.spans


def test_windows_stay_small() -> None:
    drive = Drive().text(script(1_000), end=True)
    longest = 0
    for _ in range(1_000):
        drive.audio(400)
        longest = max([longest, *(len(work.samples) for work in drive.work)])
        drive.answer()
    assert longest <= 6_000 * 16
    drive.end()
    check(drive, script(1_000))
    assert not drive.spans


def test_a_whole_hour_in_few_windows() -> None:
    text = script(9_000)
    drive = Drive(Pacing.FILE, WHOLE).text(text, end=True)
    for _ in range(360):
        drive.audio(10_000)
    drive.end()
    check(drive, text)
    assert len(drive.units) == 9_000
    assert len(drive.classes) <= 8


def test_audio_waits_for_its_text_without_holding_the_client_back() -> None:
    drive = Drive().audio(20_000)
    assert not drive.work
    assert drive.session.undecoded_ms == 0
    drive.text(script(50)).answer()
    assert len(drive.units) > 40
    drive.end()
    check(drive, script(50))


def test_text_that_follows_its_audio_in_pieces_is_not_kept_waiting() -> None:
    drive = Drive().audio(20_000)
    for at in range(0, 48, 4):
        drive.text("".join(f"w{number} " for number in range(at, at + 4))).answer()
    assert len(drive.units) >= 36
    assert len(drive.classes) <= 12


def test_the_last_word_waits_for_the_rest_of_it() -> None:
    drive = Drive().text("w0 w1 w").audio(8_000).answer()
    assert [u.text for u in drive.units] == ["w0", "w1"]
    drive.text("2 w3", end=True).audio(4_000).answer().end()
    check(drive, "w0 w1 w2 w3")
    assert [u.text for u in drive.units] == ["w0", "w1", "w2", "w3"]


def test_windows_that_the_client_waits_for_go_first() -> None:
    drive = Drive().text(script(20)).audio(4_000).answer()
    assert set(drive.classes) == {WorkClass.STREAM_PARTIAL}
    drive.finalize().answer()
    assert drive.classes[-1] is WorkClass.STREAM_FINAL
    assert isinstance(drive.events[-1], ControlAck)


def test_finalize_of_nothing_is_acknowledged_at_once() -> None:
    drive = Drive().finalize("a")
    assert isinstance(drive.events[-1], ControlAck)
    drive.text("hello").finalize("b")
    assert isinstance(drive.events[-1], ControlAck)
    drive.end()
    assert [s.reason for s in drive.spans] == [UnalignedReason.TEXT_NOT_SPOKEN]


def test_punctuation_behind_the_last_word_is_nothing() -> None:
    drive = Drive().text("w0, w1.", end=True).audio(5_000).answer()
    drive.audio(3_000).end()
    check(drive, "w0, w1.")
    assert not drive.spans


def test_progress_rises_to_the_end() -> None:
    drive = Drive().text(script(30), end=True)
    last = drive.session.progress()
    for _ in range(60):
        drive.audio(200).answer()
        now = drive.session.progress()
        assert (now.received_ms, now.decoded_ms, now.final_ms) >= (0, 0, last.final_ms)
        assert now.decoded_ms >= last.decoded_ms
        last = now
    drive.end()
    now = drive.session.progress()
    assert now.received_ms == now.decoded_ms == now.final_ms == 12_000


def test_what_comes_out_of_order_is_refused() -> None:
    drive = Drive().text("a", end=True)
    with pytest.raises(InvalidOptionError):
        drive.text("b")
    drive.end()
    assert (
        drive.session.text("x", end_of_text=False) == []
    )  # the stream is over: nothing matters any more
    with pytest.raises(LimitExceededError):
        Drive().text("x" * (MAX_TEXT_CHARACTERS + 1))


@pytest.mark.parametrize("lost", [True, False])
def test_a_failed_window_ends_the_session(lost: bool) -> None:
    drive = Drive().text(script(9), end=True).audio(3_000)
    work_id = drive.work.pop().work_id
    event = (
        WorkDropped(work_id, DropReason.CANCELLED)
        if lost
        else WorkFailed(work_id, InternalError("x"))
    )
    drive.perform(drive.session.work_event(event))
    assert drive.finished
    assert drive.error is not None
    assert drive.session.fail(InternalError("again")) == []


def test_failing_gives_the_window_up() -> None:
    drive = Drive().text(script(9), end=True).audio(3_000)
    drive.perform(drive.session.fail(InternalError("gone")))
    assert drive.cancelled == [drive.work[0].work_id]
