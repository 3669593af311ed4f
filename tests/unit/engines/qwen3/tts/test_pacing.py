"""Frames that begin before the one ahead of them is read change no sound, and nothing of them is heard or left."""

import random
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from speech_service.domain.work import SynthesizeWork, WorkAudio, WorkDone, WorkEvent
from speech_service.engines.qwen3.tts.generator import Ended, SpokenFrame
from speech_service.engines.qwen3.tts.sampling_rules import Sampling
from tests.unit.engines.qwen3.tts.speaking import (
    Loaded,
    Rig,
    run,
    sound,
    work,
)


def works() -> list[SynthesizeWork]:
    """Make items that speak for different times."""
    return [
        work("a", seed=1),
        work("b", text="今天天气很好", voice="eric", language="zh", seed=2),
        work("c", text="the train was late", instruct="slowly", language="", seed=3),
        work("d", text="hello", seed=4),
    ]


class Watched:
    """Counts frames that begin before the one ahead of them is read."""

    def __init__(self, rig: Rig) -> None:
        self._begin = rig.generator.begin
        rig.generator.begin = self.begin
        self.begun = self.ahead = 0
        self._read = 0

    def begin(self) -> SpokenFrame:
        """Begin; see whether the one before is read."""
        self.ahead += self.begun > self._read
        self.begun += 1
        number, spoken = self.begun, self._begin()
        outcomes = spoken.outcomes

        def read() -> Any:
            self._read = max(self._read, number)
            return outcomes()

        spoken.outcomes = read
        return spoken


def end_at(rig: Rig, monkeypatch: pytest.MonkeyPatch, frames: int) -> None:
    """Let every stream say that its text is spoken after so many frames."""
    outcome, spoken = rig.generator.outcome, dict[Any, int]()

    def ending(stream: Any, code: int, frame: Tensor) -> Tensor | Ended:
        spoken[stream] = spoken.get(stream, 0) + 1
        return Ended.EOS if spoken[stream] > frames else outcome(stream, code, frame)

    monkeypatch.setattr(rig.generator, "outcome", ending)


@pytest.mark.parametrize("end", ["by itself", "by its bound"])
def test_streams_that_join_and_end_sound_as_they_do_at_once(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    sounds: dict[bool, list[Any]] = {}
    for is_behind in (False, True):
        rig = Rig(loaded(), slots=2, sampling=Sampling(), max_frames=9, is_behind=is_behind)
        if end == "by itself":
            end_at(rig, monkeypatch, 7)
        watched = Watched(rig)
        events = run(rig.engine, *works())
        sounds[is_behind] = [sound(events[each.work_id]) for each in works()]
        assert watched.ahead > 5 if is_behind else not watched.ahead
        for each in works():
            done = events[each.work_id][-1]
            assert isinstance(done, WorkDone)
            assert done.timing.decode_steps == (7 if end == "by itself" else 9)
        assert rig.is_idle
    for at_once, behind in zip(sounds[False], sounds[True], strict=True):
        assert at_once.shape == behind.shape
        # Frames meet in other passes of the codec, whose sums depend on what is decoded together.
        assert np.allclose(at_once, behind, rtol=0, atol=1e-5)


def test_first_audio_is_not_a_frame_late(loaded: Loaded) -> None:
    rig = Rig(loaded(), is_behind=True)
    rig.engine.admit(work("a"))
    assert [type(event) for event in rig.engine.step()] == [WorkAudio]
    for _ in range(3):
        rig.engine.step()
    rig.engine.admit(work("b", seed=5))
    assert "b" in {event.work_id for event in rig.engine.step()}


@pytest.mark.parametrize("seed", range(2))
def test_streams_are_cancelled_at_any_time(loaded: Loaded, seed: int) -> None:
    dice, model = random.Random(seed), loaded()
    rig = Rig(model, slots=3, max_frames=7, is_behind=True)
    items = {each.work_id: each for each in works()}
    events: dict[str, list[WorkEvent]] = {}
    coming, done = list(items), set[str]()
    for step in range(200):
        if coming and dice.random() < 0.6:
            events[coming[0]] = []
            rig.engine.admit(items[coming.pop(0)])
        going = sorted(events.keys() - done)
        if going and step % 4 == 3 and step < 24:
            gone = dice.choice(going)
            rig.engine.abort(gone)
            del events[gone]
            coming.append(gone)  # speaks again from its beginning, perhaps in the slot that it had
        for event in rig.engine.step():
            events[event.work_id].append(event)
            if not isinstance(event, WorkAudio):
                done.add(event.work_id)
        if done == items.keys():
            break
    for work_id, each in items.items():
        expected = sound(run(Rig(model, max_frames=7).engine, each)[work_id])
        assert np.abs(sound(events[work_id]) - expected).max() <= 1e-5
    assert rig.is_idle
