"""How often an engine's step waits for a GPU, and what it copies; ``pytest -s`` prints both.

The engines are composed as for a GPU with 16-bit numbers, on one that is acted (``acting.py``): a wait or a copy inside
a captured body is an error there, as are tensors of two devices in one operation.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pytest

from speech_service.domain.work import Work, WorkAudio, WorkDone, WorkEvent
from speech_service.engines.qwen3.asr.engine import AsrEngine
from speech_service.engines.runtimes.placement import PlacedEngine
from tests.fake_memory import FakeMemory
from tests.qwen_tiny.folder import TinyModels
from tests.unit.engines.qwen3.acting import acted_asr, acted_gpu, acted_tts
from tests.unit.engines.qwen3.asr.engines import clips, limit, make_work
from tests.unit.engines.qwen3.tts.speaking import work as text_work

MOST_WAITS = 2
MOST_CHUNKS = 4
"""Copies to the host of a synthesizer's step: first codes, and what each pass of the codec gives."""
MOST_COPIES = {"to device": 4, "to host": 1}
"""Of a step in which streams join: audio, the encoder's counts, prompts, the pass."""


@dataclass(frozen=True)
class Step:
    """What one step did."""

    joined: bool
    waits: Mapping[str, int]
    copies: Mapping[str, int]
    events: Sequence[WorkEvent]

    @property
    def waited(self) -> int:
        """How often, for whatever."""
        return sum(self.waits.values())


def steps_of(
    engine: PlacedEngine, memory: FakeMemory, joins: Mapping[int, Sequence[Work]], most: int = 400
) -> list[Step]:
    """Step until all works are done; ``joins`` are admitted before the step of that number."""
    open_works = {work.work_id for works in joins.values() for work in works}
    steps: list[Step] = []
    for number in range(most):
        for work in joins.get(number, ()):
            engine.admit(work)
        memory.reset()
        events = list(engine.step())
        joined = number in joins
        steps.append(Step(joined, Counter(memory.waits), Counter(memory.copies), events))
        open_works -= {event.work_id for event in events if not isinstance(event, WorkAudio)}
        if not open_works and number > max(joins):
            return steps
    raise AssertionError("it does not end")


def told(name: str, steps: Sequence[Step], is_told: Callable[[Step], bool]) -> str:
    """Print the most of some steps."""
    some = [step for step in steps if is_told(step)]
    waits = Counter(step.waited for step in some)
    copies = {way: max(step.copies.get(way, 0) for step in some) for way in MOST_COPIES}
    line = (
        f"{name}: {len(some)} steps, waits {dict(sorted(waits.items()))}, copies at most {copies}"
    )
    print("\n" + line)
    return line


def inner(engine: PlacedEngine) -> AsrEngine:
    """Give the engine that is placed."""
    placed = engine._engine
    assert isinstance(placed, AsrEngine)
    return placed


@pytest.mark.parametrize("decoding", ["greedy", "previous", "previous+draft"])
def test_a_step_of_the_recognizer(tiny_models: TinyModels, decoding: str) -> None:
    draft = tiny_models.asr_draft() if "draft" in decoding else None
    sounds = clips(6, seed=1, longest_s=1.5)
    drafts = [()] * 6 if decoding == "greedy" else [(5, 6, 7), (), (9,), (3, 4), (), (8,) * 12]
    works = [make_work(s, draft_tokens=d) for s, d in zip(sounds, drafts, strict=True)]
    with acted_gpu() as memory:
        engine = acted_asr(tiny_models.asr_target(), draft, decoding=decoding)
        limit(inner(engine), 12)
        steps = steps_of(engine, memory, {0: works[:2], 3: works[2:4], 7: works[4:]})
        del engine
    assert sum(isinstance(event, WorkDone) for step in steps for event in step.events) == 6
    told(f"ASR, {decoding}", steps, lambda step: True)
    steady = [step for step in steps if step.copies["to device"] == 1]
    told("  where nobody joins", steady, lambda step: True)
    assert max(step.waited for step in steps) <= MOST_WAITS
    if draft is None:
        assert len(steady) >= 5
        for way, most in MOST_COPIES.items():
            assert max(step.copies.get(way, 0) for step in steps) <= most
        assert max(step.waited for step in steady) == 1


def test_a_step_of_the_synthesizer(tiny_models: TinyModels) -> None:
    with acted_gpu() as memory:
        engine = acted_tts(tiny_models.tts("custom_voice"))
        works = [text_work(str(number), seed=number) for number in range(4)]
        steps = steps_of(engine, memory, {0: works[:1], 3: works[1:3], 9: works[3:]})
        del engine
    assert sum(isinstance(event, WorkDone) for step in steps for event in step.events) == 4
    told("TTS", steps, lambda step: True)
    told("  where nobody joins", steps, lambda step: not step.joined)
    told(
        "  where nobody joins and nothing sounds",
        steps,
        lambda step: not step.joined and not step.events,
    )
    for step in steps:
        assert step.waited <= MOST_WAITS, step
        assert step.copies.get("to host", 0) <= MOST_CHUNKS
    assert any(step.joined for step in steps)
