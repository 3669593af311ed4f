"""Runs strings through the service's own engine, many at a time, as its scheduler would."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.digits import SAMPLE_RATE_HZ
from benchmarks.digits.corpus import Samples
from speech_service.domain.transcript import Hypothesis
from speech_service.domain.work import (
    RecognizeKind,
    RecognizeWork,
    SegmentKey,
    WorkClass,
    WorkDone,
    WorkEvent,
)
from speech_service.engines.qwen3.asr import options as qwen3
from speech_service.engines.shared import SharedModels

UPDATE_S = 0.5
"""Audio between two partial results."""
_LEAST_S = 0.3


@dataclass(frozen=True, slots=True)
class Reading:
    """What the engine made of one piece of audio."""

    hypothesis: Hypothesis
    passes: int
    """Passes of the target's decoder."""
    proposed: int
    accepted: int

    @property
    def tokens(self) -> int:
        """Tokens that greedy decoding would take a pass each for; the end is one."""
        return len(self.hypothesis.tokens) + 1


class Driver:
    """One engine with weights in float32, unless an option says otherwise."""

    def __init__(self, model: Path, **options: Any) -> None:
        """Load a checkpoint; ``options`` are those of ``recognizer/qwen3``."""
        chosen: Mapping[str, Any] = {"dtype": "float32", "threads": 1, "max_batch": 16, **options}
        self._engine = qwen3.build(qwen3.Qwen3AsrOptions(str(model), **chosen), SharedModels())
        self._numbers = itertools.count()

    def read(self, clips: Sequence[Samples]) -> list[Reading]:
        """Final results of clips, each float32 [n] at 16 kHz."""
        return self._run(
            [self._work(clip, SegmentKey(f"clip-{next(self._numbers)}", 0, 1)) for clip in clips]
        )

    def follow(self, clips: Sequence[Samples]) -> list[list[Reading]]:
        """Partial results of clips that grow by half a second, each update with the one before as its draft."""
        keys = [SegmentKey(f"stream-{next(self._numbers)}", 0, 1) for _ in clips]
        followed: list[list[Reading]] = [[] for _ in clips]
        for update in itertools.count():
            end = int((_LEAST_S + update * UPDATE_S) * SAMPLE_RATE_HZ)
            growing = [index for index, clip in enumerate(clips) if len(clip) >= end]
            if not growing:
                return followed
            works = [
                self._work(
                    clips[index][:end],
                    keys[index],
                    followed[index][-1].hypothesis.tokens if followed[index] else (),
                    RecognizeKind.PARTIAL,
                )
                for index in growing
            ]
            for index, reading in zip(growing, self._run(works), strict=True):
                followed[index].append(reading)
        raise AssertionError("no clip is endless")

    def _work(
        self,
        samples: Samples,
        segment: SegmentKey,
        draft: tuple[int, ...] = (),
        kind: RecognizeKind = RecognizeKind.FINAL,
    ) -> RecognizeWork:
        return RecognizeWork(
            work_id=str(next(self._numbers)),
            segment=segment,
            kind=kind,
            work_class=WorkClass.UNARY,
            samples=samples,
            model="",
            draft_tokens=draft,
        )

    def _run(self, works: Sequence[RecognizeWork]) -> list[Reading]:
        waiting, done = list(works), dict[str, Reading]()
        open_items = 0
        while len(done) < len(works):
            while waiting and open_items < self._engine.capabilities.max_batch:
                self._engine.admit(waiting.pop(0))
                open_items += 1
            for event in self._engine.step():
                done |= _reading(event)
                open_items -= 1
        return [done[work.work_id] for work in works]


def _reading(event: WorkEvent) -> dict[str, Reading]:
    if not isinstance(event, WorkDone):
        raise RuntimeError(f"the engine failed: {event}")
    timing = event.timing
    reading = Reading(
        event.hypothesis, timing.decode_steps, timing.draft_proposed, timing.draft_accepted
    )
    return {event.work_id: reading}
