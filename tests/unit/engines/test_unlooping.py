"""What loops is decoded again in parts; what ends by itself is the recognizer's own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from speech_service.domain.audio import Samples, ms_to_samples, samples_to_ms
from speech_service.domain.errors import InternalError
from speech_service.domain.models import ModelCapabilities, ModelKind
from speech_service.domain.transcript import Hypothesis, Repair, RepairKind
from speech_service.domain.work import (
    RecognizeKind,
    RecognizeWork,
    SegmentKey,
    Work,
    WorkClass,
    WorkDone,
    WorkEvent,
    WorkFailed,
    WorkTiming,
)
from speech_service.engines.unlooping import UnloopingEngine, quietest

Script = Callable[[RecognizeWork], Hypothesis]


@dataclass
class ScriptedEngine:
    """Says what the script makes of the work, one item a step."""

    script: Script
    languages: tuple[str, ...] = ("en",)
    noise_words: tuple[str, ...] = ()
    heard: list[RecognizeWork] = field(default_factory=list[RecognizeWork])
    waiting: list[RecognizeWork] = field(default_factory=list[RecognizeWork])

    @property
    def capabilities(self) -> ModelCapabilities:
        """As small as they may be."""
        kind = ModelKind.RECOGNIZER
        return ModelCapabilities(
            "scripted", kind, self.languages, 16_000, 20_000, noise_words=self.noise_words
        )

    def admit(self, work: Work) -> None:
        assert isinstance(work, RecognizeWork)
        self.heard.append(work)
        self.waiting.append(work)

    def step(self) -> Sequence[WorkEvent]:
        if not self.waiting:
            return []
        work = self.waiting.pop(0)
        timing = WorkTiming(decode_ms=1, decode_steps=1)
        return [WorkDone(work.work_id, self.script(work), timing)]

    def abort(self, work_id: str) -> None:
        self.waiting = [work for work in self.waiting if work.work_id != work_id]


def sound(*levels: float, ms: int = 1_000) -> Samples:
    """Make noise of one level after another, each for a second, with a little silence between."""
    rng = np.random.default_rng(1)
    parts: list[Samples] = []
    for level in levels:
        part = rng.normal(0, 1, ms_to_samples(ms)).astype(np.float32) * np.float32(level)
        part[-ms_to_samples(120) :] = 0
        parts.append(part)
    return np.concatenate(parts)


def work(samples: Samples, kind: RecognizeKind = RecognizeKind.FINAL) -> RecognizeWork:
    key = SegmentKey("s", 0, 1)
    return RecognizeWork("w", key, kind, WorkClass.STREAM_FINAL, samples, "m", draft_tokens=(1, 2))


def run(engine: UnloopingEngine, item: RecognizeWork) -> Hypothesis:
    engine.admit(item)
    for _ in range(200):
        for event in engine.step():
            assert isinstance(event, WorkDone)
            assert event.work_id == item.work_id
            return event.hypothesis
    pytest.fail("the work has no outcome")


def words_of_levels(samples: Samples) -> str:
    """One word for each second of sound, which names its level."""
    seconds = np.array_split(samples, max(1, round(len(samples) / 16_000)))
    return " ".join(f"w{round(float(np.abs(second).max()) * 2)}" for second in seconds)


def loops_above(limit_ms: int) -> Script:
    """A model that loses the thread in audio that is longer than the limit."""

    def script(item: RecognizeWork) -> Hypothesis:
        if len(item.samples) > ms_to_samples(limit_ms):
            return Hypothesis("w1 " + "and so " * 40, (7,) * 80, "en", is_cut_off=True)
        return Hypothesis(words_of_levels(item.samples), (1,), "en")

    return script


def test_what_ends_by_itself_is_the_recognizers_own() -> None:
    said = Hypothesis("zero zero zero zero zero zero", (1, 2, 3), "en", None, certainty=0.5)
    inner = ScriptedEngine(lambda _: said)
    item = work(sound(*[0.1] * 5))
    assert run(UnloopingEngine(inner), item) == said
    assert inner.heard == [item]


@pytest.mark.parametrize("seconds", [3, 4, 5, 6, 7, 8, 10, 13, 16, 20])
def test_the_rest_of_a_segment_that_loops_is_decoded(seconds: int) -> None:
    engine = UnloopingEngine(ScriptedEngine(loops_above(2_100)))
    found = run(engine, work(sound(*[0.1] * seconds)))
    assert "and so" not in found.text
    assert abs(len(found.text.split()) - seconds) <= seconds // 2
    assert found.repairs == (Repair(RepairKind.REPETITION, 0, seconds * 1000),)
    assert not found.is_cut_off


def test_parts_are_in_order_and_hold_every_sample_once() -> None:
    inner = ScriptedEngine(loops_above(3_000))
    whole = sound(*[0.1] * 9)
    run(UnloopingEngine(inner), work(whole))
    decoded = [each for each in inner.heard if len(each.samples) <= ms_to_samples(3_000)]
    assert np.array_equal(np.concatenate([each.samples for each in decoded]), whole)
    assert all(not each.draft_tokens for each in inner.heard[1:])
    assert len({each.segment for each in inner.heard}) == len(inner.heard)


def test_what_loops_in_the_smallest_part_is_said_to_be_undecoded() -> None:
    def script(item: RecognizeWork) -> Hypothesis:
        loud = float(np.abs(item.samples).max()) > 1
        return Hypothesis("buzz " * 60 if loud else "hello", (3,), "en", is_cut_off=loud)

    samples = sound(0.1, 0.1, 0.1, 2.0, 0.1, 0.1)
    found = run(UnloopingEngine(ScriptedEngine(script)), work(samples))
    lost = [each for each in found.repairs if each.kind is RepairKind.UNDECODED]
    assert lost
    assert all(each.end_ms - each.start_ms < 2_000 for each in lost)
    assert any(each.start_ms <= 3_400 <= each.end_ms for each in lost)
    assert found.text.split().count("buzz") <= len(lost)
    assert "hello" in found.text


def test_text_faster_than_speech_is_decoded_again_too() -> None:
    def script(item: RecognizeWork) -> Hypothesis:
        long = len(item.samples) > ms_to_samples(4_000)
        return Hypothesis("and so on " * 90 if long else "all is well", (1,), "en")

    found = run(UnloopingEngine(ScriptedEngine(script)), work(sound(*[0.1] * 8)))
    assert set(found.text.split()) == {"all", "is", "well"}
    assert found.repairs[0].kind is RepairKind.REPETITION


def test_a_partial_is_shortened_and_not_decoded_again() -> None:
    inner = ScriptedEngine(loops_above(1_000))
    found = run(UnloopingEngine(inner), work(sound(*[0.1] * 6), RecognizeKind.PARTIAL))
    assert found.text.strip() == "w1 and so"
    assert found.repairs == ()
    assert len(inner.heard) == 1


@pytest.mark.parametrize(("language", "joined"), [("zh", "好好"), ("ja", "好好"), ("en", "好 好")])
def test_parts_are_joined_as_the_language_writes(language: str, joined: str) -> None:
    def script(item: RecognizeWork) -> Hypothesis:
        long = len(item.samples) > ms_to_samples(2_500)
        return Hypothesis("好", (1,), language, is_cut_off=long)

    assert run(UnloopingEngine(ScriptedEngine(script)), work(sound(*[0.1] * 3))).text == joined


def test_parts_of_noise_add_no_word() -> None:
    def script(item: RecognizeWork) -> Hypothesis:
        is_quiet = float(np.abs(item.samples).max()) < 0.01
        long = len(item.samples) > ms_to_samples(2_500)
        return Hypothesis("You" if is_quiet else "hello", (1,), "en", is_cut_off=long)

    inner = ScriptedEngine(script, noise_words=("you",))
    assert run(UnloopingEngine(inner), work(sound(0.1, 0.1, 0.001, 0.001))).text == "hello"


def test_work_that_goes_on_in_parts_can_be_aborted() -> None:
    inner = ScriptedEngine(loops_above(1_000))
    engine = UnloopingEngine(inner)
    engine.admit(work(sound(*[0.1] * 6)))
    assert engine.step() == []
    engine.abort("w")
    assert inner.waiting == []
    assert engine.step() == []
    assert run(engine, work(sound(0.1))).text


def test_a_part_that_fails_fails_the_work() -> None:
    class Failing(ScriptedEngine):
        def step(self) -> Sequence[WorkEvent]:
            if len(self.heard) > 1 and self.waiting:
                return [WorkFailed(self.waiting.pop().work_id, InternalError("internal error"))]
            return super().step()

    engine = UnloopingEngine(Failing(loops_above(1_000)))
    engine.admit(work(sound(*[0.1] * 6)))
    assert engine.step() == []
    assert isinstance(engine.step()[0], WorkFailed)


def test_time_of_all_parts_counts() -> None:
    engine = UnloopingEngine(ScriptedEngine(loops_above(2_500)))
    engine.admit(work(sound(*[0.1] * 4)))
    events: list[WorkEvent] = []
    while not events:
        events += engine.step()
    assert isinstance(events[0], WorkDone)
    assert events[0].timing.decode_steps == 3


@pytest.mark.parametrize("at", range(4, 12))
def test_audio_is_cut_where_it_is_quietest(at: int) -> None:
    samples = sound(0.1, 0.1, 0.1, 0.1)
    samples[:] = np.random.default_rng(2).normal(0, 0.1, len(samples))
    gap = len(samples) * at // 16 + ms_to_samples(50)
    samples[gap : gap + ms_to_samples(110)] = 0
    assert abs(samples_to_ms(quietest(samples)) - samples_to_ms(gap) - 55) < 15
