"""The synthesis engine: sound from the first frame on, every stream as if it were alone, nothing left behind."""

import gc
import random
import time
from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from speech_service.domain.errors import SpeechError
from speech_service.domain.synthesis import LexiconEntry, SpeechFinish, VoicePrompt
from speech_service.domain.work import SpeechMade, SynthesizeWork, WorkAudio, WorkDone
from speech_service.engines.qwen3.codec.streams import Chunk, DecodedPass
from speech_service.engines.qwen3.tts.generator import Ended, SpokenFrame
from speech_service.engines.qwen3.tts.prompt import Utterance
from speech_service.engines.qwen3.tts.sampling_rules import Sampling
from speech_service.engines.runtimes.torch import Coming
from tests.unit.engines.qwen3.tts.speaking import (
    FRAME,
    RECORDING,
    Loaded,
    Rig,
    cloned,
    failure,
    frames,
    run,
    sound,
    work,
)

TOLERANCE = 1e-5


def test_the_first_audio_leaves_after_the_first_frame(loaded: Loaded) -> None:
    rig = Rig(loaded())
    computed: list[int] = []
    begin = rig.generator.begin

    def counting() -> SpokenFrame:
        spoken = begin()
        computed.append(len(spoken.outcomes()))
        return spoken

    rig.generator.begin = counting
    rig.engine.admit(work())
    events = rig.engine.step()
    assert computed == [1]
    assert [type(event) for event in events] == [WorkAudio]
    assert isinstance(events[0], WorkAudio)
    assert len(events[0].samples) == FRAME


@dataclass(frozen=True, slots=True)
class Late:
    """Samples that are there only where somebody waits."""

    samples: Coming
    is_here = False

    def here(self) -> Tensor:
        """Wait for them."""
        return self.samples.here()


def slow_with_the_codec_beside(rig: Rig, step_s: float) -> None:
    """Have steps take so long at least, and chunks told of with the next step, but for first ones."""
    speak, decode = rig.generator.begin, rig.codec.begin

    def slowly() -> SpokenFrame:
        time.sleep(step_s)
        return speak()

    def beside(chunks: Mapping[int, Chunk], urgent: Container[int] = ()) -> list[DecodedPass]:
        return [replace(each, samples=Late(each.samples)) for each in decode(chunks, urgent)]

    rig.generator.begin = slowly
    rig.codec.begin = beside


def chunks_of(events: list[Any]) -> list[int]:
    return [len(event.samples) // FRAME for event in events if isinstance(event, WorkAudio)]


def test_a_first_chunk_lasts_until_the_next_is_there_where_the_codec_works_beside_slow_frames(
    loaded: Loaded,
) -> None:
    rig = Rig(loaded(), ramp=(1, 2), max_frames=30)
    slow_with_the_codec_beside(rig, 0.03)
    assert chunks_of(run(rig.engine, work("first"))["first"])[0] == 1, "nothing was seen yet"
    events = run(rig.engine, work("second", seed=1))["second"]
    assert chunks_of(events)[0] == 2
    assert sum(chunks_of(events)) == 30
    assert rig.is_idle


def test_the_end_says_where_the_time_went(loaded: Loaded) -> None:
    rig = Rig(loaded(), max_frames=10)
    (done,) = [event for event in run(rig.engine, work())["w"] if isinstance(event, WorkDone)]
    timing = done.timing
    assert timing.decode_steps == 10
    for part_ms in (timing.encode_ms, timing.first_frame_ms, timing.codec_ms):
        assert part_ms > 0
    assert timing.first_frame_ms + timing.codec_ms < timing.decode_ms


def test_the_sound_is_that_of_one_whole_decode(loaded: Loaded) -> None:
    model = loaded()
    rig = Rig(model, max_frames=15)
    events = run(rig.engine, work())["w"]
    codes = frames(model, Utterance(work().text, "english", "ryan"), 15)
    with torch.inference_mode():
        states, start = torch.zeros(1, model.codec.state_size), torch.zeros(1, dtype=torch.int64)
        whole, _ = model.codec(codes[None], states, start)
    heard = sound(events)
    assert heard.dtype == np.float32
    assert heard.shape == (15 * FRAME,)
    assert np.abs(heard - whole[0].numpy()).max() <= TOLERANCE
    assert isinstance(events[-1], WorkDone)
    assert events[-1].outcome == SpeechMade(24_000, finish=SpeechFinish.LENGTH_LIMIT)
    assert events[-1].timing.decode_steps == 15
    assert rig.is_idle


def test_speech_says_whether_it_came_to_its_end(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end is a code of the model; the budget is ours."""
    rig = Rig(loaded(), max_frames=6)
    assert isinstance(end := run(rig.engine, work())["w"][-1], WorkDone)
    assert isinstance(end.outcome, SpeechMade)
    assert end.outcome.finish is SpeechFinish.LENGTH_LIMIT
    rig = Rig(loaded(), max_frames=6)
    begin, steps = rig.generator.begin, 0

    class Ending:
        """Every stream says that its text is spoken."""

        def __init__(self, spoken: SpokenFrame) -> None:
            self._spoken = spoken

        def outcomes(self) -> Any:
            return dict.fromkeys(self._spoken.outcomes(), Ended.EOS)

    def ending() -> Any:
        nonlocal steps
        steps += 1
        return Ending(begin()) if steps > 3 else begin()

    monkeypatch.setattr(rig.generator, "begin", ending)
    assert isinstance(end := run(rig.engine, work())["w"][-1], WorkDone)
    assert isinstance(end.outcome, SpeechMade)
    assert end.outcome.finish is SpeechFinish.COMPLETE


def test_samples_are_the_receivers_own(loaded: Loaded) -> None:
    events = run(Rig(loaded(), max_frames=4).engine, work("a"), work("b"))
    pieces = [e.samples for each in events.values() for e in each if isinstance(e, WorkAudio)]
    assert len(pieces) >= 4
    for samples in pieces:
        assert samples.flags.writeable
        assert samples.base is None


def mixed_works() -> list[SynthesizeWork]:
    return [
        work("a", seed=1),
        work("b", text="今天天气很好", voice="eric", language="zh", seed=2),
        work("c", text="the train was late", instruct="slowly", language="", seed=3),
        work("d", voice="vivian", seed=4),
        work("e", text="hello", seed=5),
    ]


@pytest.mark.parametrize("sampling", [Sampling(0.0, predictor_temperature=0.0), Sampling()])
def test_a_stream_sounds_as_it_does_alone(loaded: Loaded, sampling: Sampling) -> None:
    """With two slots for five items, they join when others are in the middle of theirs."""
    model = loaded()
    together = run(Rig(model, slots=2, sampling=sampling, max_frames=7).engine, *mixed_works())
    for each in mixed_works():
        alone = run(Rig(model, slots=2, sampling=sampling, max_frames=7).engine, each)
        one, other = sound(together[each.work_id]), sound(alone[each.work_id])
        assert one.shape == other.shape
        assert np.abs(one - other).max() <= TOLERANCE


@pytest.mark.parametrize("is_behind", [False, True])
def test_a_poisoned_item_fails_alone(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch, is_behind: bool
) -> None:
    model = loaded("base")
    rig = Rig(model, slots=3, max_frames=6, is_behind=is_behind)
    poisoned = VoicePrompt(RECORDING, "poison")
    with torch.inference_mode():
        rig.voices.voice(poisoned).reference.embedding.fill_(torch.nan)
    good = cloned("good"), cloned("other", text="it was the best of times")
    events = run(rig.engine, good[0], cloned("bad", voice_prompt=poisoned), good[1])
    assert failure(events["bad"]).error.reason == "INTERNAL"
    for each in good:
        expected = sound(run(Rig(model, max_frames=6).engine, each)[each.work_id])
        assert np.abs(sound(events[each.work_id]) - expected).max() <= TOLERANCE
    assert rig.is_idle

    def explodes(_: SynthesizeWork) -> None:
        raise RuntimeError("a bug, with a path /in/it")

    monkeypatch.setattr(rig.engine._parts.reader, "read", explodes)
    error = failure(run(rig.engine, cloned())["w"]).error
    assert (error.reason, error.message) == ("INTERNAL", "internal error")


def test_hundreds_of_cancels_leave_nothing_behind(loaded: Loaded) -> None:
    rig, chance = Rig(loaded(), slots=4, max_frames=30), random.Random(11)
    sizes = rig.generator.cache.nbytes, rig.codec.nbytes
    alive: list[str] = []
    heard = Counter[str]()
    cancelled: set[str] = set()
    begun = 0
    objects = 0
    while len(cancelled) < 400:
        while len(alive) < 6:
            alive.append(f"w{begun}")
            rig.engine.admit(work(alive[-1], text="hello", seed=begun))
            begun += 1
        if chance.random() < 0.2:
            for event in rig.engine.step():
                assert event.work_id not in cancelled
                heard[event.work_id] += 1
                if not isinstance(event, WorkAudio):
                    alive.remove(event.work_id)
        for work_id in chance.sample(alive, chance.randint(0, len(alive))):
            rig.engine.abort(work_id)
            alive.remove(work_id)
            cancelled.add(work_id)
        if objects == 0 and len(cancelled) > 200:
            gc.collect()
            objects = _tensors()
    for work_id in alive:
        rig.engine.abort(work_id)
    assert heard.keys() & cancelled, "some were cancelled in the middle"
    assert rig.is_idle
    assert rig.engine.step() == []
    assert (rig.generator.cache.nbytes, rig.codec.nbytes) == sizes
    gc.collect()
    assert _tensors() <= objects
    rig.engine.abort("nobody")


def _tensors() -> int:
    return sum(type(each) is torch.Tensor for each in gc.get_objects())


def test_a_clone_goes_on_where_its_recording_ends(loaded: Loaded) -> None:
    model = loaded("base")
    rig = Rig(model, max_frames=6)
    heard = sound(run(rig.engine, cloned())["w"])
    with torch.inference_mode():
        reference = rig.voices.voice(cloned().voice_prompt).reference  # pyright: ignore[reportArgumentType] - there is one
        spoken = frames(model, Utterance(cloned().text, "english", reference=reference), 6)
        assert reference.codes is not None
        codes = torch.cat([reference.codes, spoken])
        states, start = torch.zeros(1, model.codec.state_size), torch.zeros(1, dtype=torch.int64)
        whole, _ = model.codec(codes[None], states, start)
    expected = whole[0, len(reference.codes) * FRAME :].numpy()
    assert np.abs(heard - expected).max() <= TOLERANCE
    run(rig.engine, cloned("again", text="something else"))
    assert rig.voices.encoder_runs == 1


@pytest.mark.parametrize(
    ("kind", "base", "changed"),
    [
        ("custom_voice", work(), {"text": "it was the worst of times"}),
        ("custom_voice", work(), {"voice": "vivian"}),
        ("custom_voice", work(), {"language": "de"}),
        ("custom_voice", work(), {"language": ""}),
        ("custom_voice", work(), {"language": "zh-x-sichuan"}),
        ("custom_voice", work(), {"instruct": "whisper"}),
        ("custom_voice", work(), {"seed": 1}),
        ("voice_design", work(voice="", instruct="a child"), {"instruct": "an old man"}),
        ("base", cloned(), {"voice_prompt": VoicePrompt(RECORDING)}),
        ("base", cloned(), {"voice_prompt": VoicePrompt(RECORDING, "other words")}),
        ("base", cloned(), {"voice_prompt": VoicePrompt(RECORDING[::-1].copy(), "the quick")}),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_every_option_is_heard(
    loaded: Loaded, kind: Any, base: SynthesizeWork, changed: dict[str, Any]
) -> None:
    rig = Rig(loaded(kind), max_frames=4, sampling=Sampling())
    fields = {
        name: getattr(base, name)
        for name in ("text", "voice", "language", "instruct", "voice_prompt")
    }
    one, other = run(rig.engine, base, work("other", **(fields | changed))).values()
    heard = sound(one)
    assert np.abs(heard - sound(other)[: len(heard)]).max() > 1e-3
    again = run(rig.engine, base)["w"]
    assert np.abs(heard - sound(again)).max() <= TOLERANCE


@pytest.mark.parametrize(
    ("kind", "size", "refused", "field", "reason"),
    [
        ("custom_voice", "1b7", work(voice="nobody"), "voice_id", "UNSUPPORTED_OPTION"),
        ("custom_voice", "1b7", work(voice=""), "voice_id", "UNSUPPORTED_OPTION"),
        ("custom_voice", "1b7", work(language="xx"), "language", "UNSUPPORTED_OPTION"),
        (
            "custom_voice",
            "1b7",
            work(speaking_rate=1.5),
            "speaking_rate",
            "UNSUPPORTED_OPTION",
        ),
        (
            "custom_voice",
            "1b7",
            work(lexicon=(LexiconEntry("a", "b"),)),
            "lexicon",
            "UNSUPPORTED_OPTION",
        ),
        ("custom_voice", "1b7", cloned(), "inline_prompt", "UNSUPPORTED_OPTION"),
        (
            "custom_voice",
            "0b6",
            work(instruct="sad"),
            "style_instruction",
            "UNSUPPORTED_OPTION",
        ),
        ("custom_voice", "1b7", work(text="?! ..."), "text", "NOTHING_TO_SPEAK"),
        ("custom_voice", "1b7", work(text="word " * 600), "text", "LIMIT_EXCEEDED"),
        (
            "custom_voice",
            "1b7",
            work(instruct="slowly " * 600),
            "style_instruction",
            "LIMIT_EXCEEDED",
        ),
        ("base", "1b7", cloned(text="word " * 600), "text", "LIMIT_EXCEEDED"),
        (
            "base",
            "1b7",
            cloned(voice_prompt=VoicePrompt(RECORDING, "fox " * 600)),
            "inline_prompt",
            "LIMIT_EXCEEDED",
        ),
        ("voice_design", "1b7", work(voice=""), "design", "INVALID_FIELD"),
        ("voice_design", "1b7", work(instruct="sad"), "voice_id", "UNSUPPORTED_OPTION"),
        ("base", "1b7", work(voice=""), "", "NO_VOICE"),
        ("base", "1b7", cloned(voice="ryan"), "voice_id", "UNSUPPORTED_OPTION"),
        ("base", "1b7", cloned(instruct="sad"), "style_instruction", "UNSUPPORTED_OPTION"),
    ],
)
def test_what_a_model_lacks_is_refused_by_name(
    loaded: Loaded, kind: Any, size: Any, refused: SynthesizeWork, field: str, reason: str
) -> None:
    rig = Rig(loaded(kind, size))
    error: SpeechError = failure(run(rig.engine, refused)["w"]).error
    assert getattr(error, "option", "") == field
    assert error.reason == reason
    assert rig.is_idle


def test_a_text_has_so_many_frames_at_most(loaded: Loaded) -> None:
    reader = Rig(loaded(), max_frames=200).engine._parts.reader
    with torch.inference_mode():
        budgets = [reader.read(work(text=text)).max_frames for text in ("a", "a b c", "a " * 60)]
    assert budgets == [62, 87, 200]
