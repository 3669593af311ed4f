"""Frames of many streams: each is what it is alone, and what goes wrong in one stays there."""

import random
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from speech_service.engines.qwen3.tts.frame_pass import MIN_FRAMES, PackedFrames
from speech_service.engines.qwen3.tts.generator import Ended, FrameGenerator
from speech_service.engines.qwen3.tts.prompt import TtsPrompt, Utterance
from speech_service.engines.qwen3.tts.sampling_rules import GREEDY, Sampling
from speech_service.engines.runtimes.torch import Body, Capture, as_it_is
from tests.unit.engines.qwen3.tts.speaking import POSITIONS, Loaded, frames

TEXTS = ("hello", "the train was late", "今天天气很好", "she said that she would be here by noon")
HOT = Sampling(temperature=2.0, top_k=0, predictor_temperature=1.5, predictor_top_k=0)

CAPTURES = [
    pytest.param(None, id="packed"),
    pytest.param(as_it_is, id="slots"),
]


def utterances() -> list[Utterance]:
    return [
        Utterance(
            TEXTS[i % 4],
            speaker=("ryan", "eric", "vivian")[i % 3],
            language=("", "english", "chinese")[i % 3],
            instruct="slowly" if i % 2 else "",
            whole_text=i % 4 != 3,
        )
        for i in range(8)
    ]


@torch.inference_mode()
@pytest.mark.parametrize(
    "sampling",
    [(GREEDY,), (Sampling(),), (GREEDY, Sampling(), HOT)],
    ids=["greedy", "sampled", "mixed"],
)
@pytest.mark.parametrize("capture", CAPTURES)
def test_streams_that_join_and_leave_at_random_are_what_they_are_alone(
    loaded: Loaded, sampling: tuple[Sampling, ...], capture: Capture | None
) -> None:
    model, chance = loaded(), random.Random(5)
    wanted = utterances()
    lengths = [chance.randint(3, 9) for _ in wanted]
    generator = FrameGenerator(model, 3, POSITIONS, capture)
    numbers: dict[int, int] = {}
    spoken: dict[int, list[Tensor]] = {i: [] for i in range(len(wanted))}
    waiting = list(range(len(wanted)))
    while waiting or numbers:
        while waiting and generator.room and chance.random() < 0.6:
            i = waiting.pop(0)
            prompt = model.prompter.prompt(wanted[i])
            numbers[generator.open(prompt, sampling[i % len(sampling)], seed=i)] = i
        for slot, outcome in generator.step().items():
            i = numbers[slot]
            if not isinstance(outcome, Ended):
                spoken[i].append(outcome)
            if isinstance(outcome, Ended) or len(spoken[i]) == lengths[i]:
                generator.close(slot)
                del numbers[slot]
    assert generator.room == 3
    for i, utterance in enumerate(wanted):
        alone = frames(model, utterance, lengths[i], sampling[i % len(sampling)], seed=i)
        assert torch.equal(torch.stack(spoken[i]), alone), i


def test_seed_and_rules_matter(loaded: Loaded) -> None:
    model, utterance = loaded(), utterances()[0]
    one = frames(model, utterance, 8, Sampling(), seed=1)
    assert torch.equal(one, frames(model, utterance, 8, Sampling(), seed=1))
    for other in (
        frames(model, utterance, 8, Sampling(), seed=2),
        frames(model, utterance, 8, Sampling(temperature=0.0), seed=1),
        frames(model, utterance, 8, Sampling(predictor_temperature=0.0), seed=1),
        frames(model, utterance, 8, Sampling(top_k=1), seed=1),
    ):
        assert not torch.equal(one, other)


def test_control_codes_are_never_said_and_no_stream_ends_at_once(loaded: Loaded) -> None:
    model = loaded()
    lengths: list[int] = []
    for seed in range(8):
        codes = frames(model, utterances()[seed], 6, HOT, seed)
        assert int(codes.max()) < 2048
        lengths.append(len(codes))
    assert min(lengths) >= MIN_FRAMES


@torch.inference_mode()
def test_a_talker_that_says_the_end_is_heard_after_the_fewest_frames(loaded: Loaded) -> None:
    model = loaded()
    generator = FrameGenerator(model, 1, POSITIONS)
    # It may say nothing but the end.
    assert isinstance(generator._pass, PackedFrames)
    generator._pass.saying.never.fill_(True)
    generator._pass.saying.never[model.config.ids.codec_eos] = False
    slot = generator.open(model.prompter.prompt(utterances()[0]), Sampling())
    outcomes = [generator.step()[slot] for _ in range(MIN_FRAMES + 1)]
    assert not any(isinstance(outcome, Ended) for outcome in outcomes[:-1])
    assert outcomes[-1] is Ended.EOS


@torch.inference_mode()
@pytest.mark.parametrize("capture", CAPTURES)
def test_numbers_that_are_none_fail_alone_and_leave_nothing_behind(
    loaded: Loaded, capture: Capture | None
) -> None:
    model, wanted = loaded(), utterances()
    generator = FrameGenerator(model, 2, POSITIONS, capture)
    good = generator.open(model.prompter.prompt(wanted[0]), GREEDY)
    prompt = model.prompter.prompt(wanted[1])
    bad = generator.open(TtsPrompt(prompt.prefill * torch.nan, prompt.following), GREEDY)
    spoken: list[Tensor] = []
    outcomes = generator.step()
    assert outcomes[bad] is Ended.NOT_FINITE
    generator.close(bad)
    assert not isinstance(outcomes[good], Ended)
    spoken.append(outcomes[good])  # pyright: ignore[reportArgumentType] - a frame
    again = generator.open(prompt, GREEDY)
    assert again == bad
    after: list[Tensor] = []
    for _ in range(6):
        outcomes = generator.step()
        spoken.append(outcomes[good])  # pyright: ignore[reportArgumentType]
        after.append(outcomes[again])  # pyright: ignore[reportArgumentType]
    assert torch.equal(torch.stack(spoken), frames(model, wanted[0], 7))
    assert torch.equal(torch.stack(after), frames(model, wanted[1], 6))
    assert generator.cache.keys.isfinite().all()


def test_slots_are_counted(loaded: Loaded) -> None:
    model = loaded()
    generator = FrameGenerator(model, 1, POSITIONS)
    prompt = model.prompter.prompt(utterances()[0])
    slot = generator.open(prompt, GREEDY)
    assert generator.room == 0
    with pytest.raises(IndexError):
        generator.open(prompt, GREEDY)
    generator.close(slot)
    with pytest.raises(KeyError):
        generator.close(slot)
    assert generator.room == 1
    assert generator.step() == {}


@torch.inference_mode()
def test_bodies_for_every_number_of_streams_are_prepared_before_they_are_needed(
    loaded: Loaded,
) -> None:
    captured: list[int] = []

    def capture(body: Body, examples: Sequence[Tensor]) -> Body:
        captured.append(len(examples[0]))
        return body

    model, wanted = loaded(), utterances()
    generator = FrameGenerator(model, 5, POSITIONS, capture)
    assert captured == [5, 4, 2, 1]  # the largest first: the others use its memory again
    for utterance in wanted[:5]:
        generator.open(model.prompter.prompt(utterance), GREEDY)
        generator.step()
    assert len(captured) == 4
