"""Passes that begin before the one ahead of them is read change no text, and nothing of them is left behind."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from speech_service.domain.work import RecognizeKind, RecognizeWork, SegmentKey, WorkClass
from speech_service.engines.qwen3.asr.engine import AsrEngine
from speech_service.engines.qwen3.asr.forward import NEWEST, Choices, Feed, Forward, Underway
from speech_service.engines.runtimes.torch import as_it_is
from tests.unit.engines.qwen3.asr.engines import (
    change_limits,
    clip,
    clips,
    greedy,
    make_work,
    parts,
    replace_parts,
    run,
    slots_in_use,
    tokens_of,
)
from tests.unit.engines.qwen3.asr.test_slots import with_slots


class Watched:
    """A forward that says in which order passes are begun and read."""

    def __init__(self, forward: Forward) -> None:
        self._forward = forward
        self.feeds: list[Sequence[Feed]] = []
        self.read: list[int] = []
        """Passes that somebody has waited for."""
        self.ahead = 0
        """Passes that were begun before the one ahead of them was read."""

    def begin(self, feeds: Sequence[Feed]) -> Underway:
        """Begin; remember."""
        number = len(self.feeds)
        self.ahead += bool(number) and number - 1 not in self.read
        self.feeds.append(feeds)
        return _Watching(self, number, self._forward.begin(feeds))


class _Watching:
    def __init__(self, watched: Watched, number: int, underway: Underway) -> None:
        self._watched = watched
        self._number = number
        self._underway = underway

    def choices(self) -> Sequence[Choices]:
        self._watched.read.append(self._number)
        return self._underway.choices()


def watched(engine: AsrEngine) -> Watched:
    """Watch an engine's passes."""
    forward = Watched(parts(engine).forward)
    replace_parts(engine, forward=forward)
    return forward


def engine_of(model: Path, **options: Any) -> AsrEngine:
    """Make an engine that reads one pass behind."""
    return with_slots(model, as_it_is, **{"kept_segments": 1, "max_batch": 3, **options})


def test_a_pass_is_read_while_the_next_one_runs(target: Path) -> None:
    engine = engine_of(target, decoding="greedy")
    forward = watched(engine)
    works = [make_work(samples) for samples in clips(2, seed=300, longest_s=0.8)]
    events = run(engine, works)
    assert [tokens_of(events[work.work_id]) for work in works] == greedy(target, works)
    assert forward.ahead >= len(forward.feeds) - 1
    fed = [feed.tokens for feeds in forward.feeds[1:] for feed in feeds if feed.states is None]
    assert set(fed) == {(NEWEST,)}, "the host has said no token"


def test_nobody_waits_for_a_pass_whose_sequences_have_all_left(target: Path) -> None:
    engine = engine_of(target, decoding="greedy")
    forward = watched(engine)
    first, second = (make_work(samples) for samples in clips(2, seed=310, longest_s=0.8))
    run(engine, [first])
    late = len(forward.feeds) - 1
    assert late not in forward.read
    run(engine, [second])
    assert late not in forward.read
    engine.admit(make_work(clip(311, 0.5), work_id="cancelled"))
    engine.step()
    engine.abort("cancelled")
    begun = len(forward.feeds)
    engine.step()
    assert begun - 1 not in forward.read
    assert slots_in_use(engine) == 0


@pytest.mark.parametrize("seed", range(2))
def test_sequences_join_leave_and_are_cancelled_at_any_time(target: Path, seed: int) -> None:
    """What is left undone is decoded again by the same stream; its slot and what was kept there are used anew."""
    dice = random.Random(seed)
    sounds = clips(7, seed=320 + 10 * seed, longest_s=0.8)
    answers = greedy(target, [make_work(samples) for samples in sounds], answer_tokens=14)
    works = [
        make_work(
            samples,
            work_class=dice.choice([WorkClass.UNARY, WorkClass.BACKGROUND]),
            draft_tokens=answer[: dice.randrange(9)] if dice.random() < 0.4 else (),
        )
        for samples, answer in zip(sounds, answers, strict=True)
    ]
    engine = engine_of(target, decoding="previous", answer_tokens=14)
    forward = watched(engine)
    coming, done = list(works), dict[str, Any]()
    cancelled: dict[str, RecognizeWork] = {}
    cancels = 0
    for step in range(400):
        if coming and dice.random() < 0.4:
            engine.admit(coming.pop(0))
        if done.keys() >= {work.work_id for work in works}:
            break
        open_works = [w for w in works if w not in coming and w.work_id not in done | cancelled]
        if open_works and step % 5 == 4 and cancels < 7:
            gone, cancels = dice.choice(open_works), cancels + 1
            engine.abort(gone.work_id)
            cancelled[gone.work_id] = gone
        elif cancelled and dice.random() < 0.3:
            engine.admit(cancelled.pop(min(cancelled)))
        for event in engine.step():
            assert event.work_id not in cancelled, "a cancelled item says nothing"
            done[event.work_id] = event
    assert [tokens_of(done[work.work_id]) for work in works] == answers
    assert forward.ahead > 10
    assert slots_in_use(engine) == 0


def test_a_growing_segment_is_read_from_what_is_kept_of_it(target: Path) -> None:
    """The pass that runs too far has written behind what is kept."""
    engine = engine_of(target, decoding="previous", kept_segments=2, answer_tokens=8)
    samples, key, draft = clip(360, 12.0), SegmentKey("stream", 0, 0), ()
    for end_s in (8.5, 10.0, 12.0):
        grown = samples[: int(end_s * 16_000)]
        work = make_work(grown, segment=key, kind=RecognizeKind.PARTIAL, draft_tokens=draft)
        other = make_work(clip(int(end_s), 0.7))
        events = run(engine, [work, other])
        found = [tokens_of(events[each.work_id]) for each in (work, other)]
        assert found == greedy(target, [work, other], answer_tokens=8)
        draft = found[0]


def test_a_pass_that_verifies_is_read_before_the_next_begins(target: Path) -> None:
    samples = clip(370, 1.0)
    (answer,) = greedy(target, [make_work(samples)])
    engine = engine_of(target, decoding="previous")
    forward = watched(engine)
    run(engine, [make_work(samples, draft_tokens=answer[:10])])
    verified = [n for n, feeds in enumerate(forward.feeds) if any(f.asked > 1 for f in feeds)]
    assert verified
    for number in verified:
        assert forward.read[number] == number
        assert NEWEST not in [token for feed in forward.feeds[number] for token in feed.tokens]
    assert forward.ahead, "behind its end, the draft holds nobody up"


def test_an_answer_is_no_longer_than_its_bound(target: Path) -> None:
    """Where the token that is being chosen is the last, nothing is fed behind it."""
    engine = engine_of(target, decoding="greedy", answer_tokens=5)
    forward = watched(engine)
    event = run(engine, [work := make_work(clip(380, 0.8))])[work.work_id]
    assert len(tokens_of(event)) == 5
    steps = [feeds for feeds in forward.feeds if feeds and feeds[0].states is None]
    assert len(steps) == 4


def test_a_more_urgent_item_takes_a_place_in_the_middle(target: Path) -> None:
    engine = engine_of(target, decoding="previous", max_batch=1, answer_tokens=12)
    slow = make_work(clip(390, 1.0), work_class=WorkClass.BACKGROUND)
    quick = make_work(clip(391, 0.6), work_class=WorkClass.STREAM_FINAL)

    def joins(step: int) -> None:
        if step == 2:
            engine.admit(quick)

    events = run(engine, [slow], joins)
    found = [tokens_of(events[work.work_id]) for work in (slow, quick)]
    assert found == greedy(target, [slow, quick], answer_tokens=12)


def test_the_turns_of_a_file_run_ahead_and_those_of_live_partials_do_not(target: Path) -> None:
    """What deferring is worth: ``pytest -s`` prints the share of passes that the device need not wait for."""
    shares: dict[str, float] = {}
    (answer,) = greedy(target, [make_work(clip(400, 1.5))])
    for name, draft in (("files", ()), ("partials", answer)):
        engine = engine_of(target, decoding="previous")
        change_limits(engine, spare_tokens=24)
        forward = watched(engine)
        works = [make_work(clip(400, 1.5), draft_tokens=draft) for _ in range(3)]
        events = run(engine, works)
        assert {tokens_of(events[work.work_id]) for work in works} == {answer}
        shares[name] = forward.ahead / len(forward.feeds)
        print(f"\n{name}: {len(forward.feeds)} passes, {forward.ahead} begun ahead")
    assert shares["files"] > 0.9
    assert shares["partials"] < shares["files"]
