"""This project's engine, in this environment."""

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from loop import Arrive, Transcribe, serve

from speech_service.domain.work import (
    RecognizeKind,
    RecognizeWork,
    SegmentKey,
    WorkClass,
    WorkDone,
    WorkEvent,
)
from speech_service.engines.qwen3.asr.options import Qwen3AsrOptions, build
from speech_service.engines.shared import SharedModels


def work(name: str, clip: Any) -> RecognizeWork:
    """Make work of a clip."""
    key = SegmentKey(name, 0, 0)
    return RecognizeWork(
        name, key, RecognizeKind.FINAL, WorkClass.UNARY, clip, "qwen3", language="en"
    )


def ended(events: Sequence[WorkEvent]) -> dict[str, int]:
    """Give the tokens of each work that is done."""
    for event in events:
        assert isinstance(event, WorkDone), event
    return {e.work_id: len(e.hypothesis.tokens) for e in events if isinstance(e, WorkDone)}


def load(config: dict[str, Any]) -> tuple[Transcribe, Arrive]:
    """Load ``config["model"]`` with ``config["options"]``; answers are ``config["tokens"]`` long."""
    options = Qwen3AsrOptions(
        model=config["model"],
        dtype=config["dtype"],
        threads=config["threads"],
        decoding="greedy",
        **config.get("options", {}),
    )
    engine: Any = build(options, SharedModels())
    # Random weights neither end an answer nor mean it: only its length counts.
    limits = replace(engine._parts.limits, spare_tokens=config["tokens"], tokens_per_s=0.0)
    limits = replace(limits, loop_tokens=10**6)
    engine._parts = replace(engine._parts, limits=limits, ends=frozenset())

    def transcribe(clip: Any) -> int:
        engine.admit(work("alone", clip))
        done: dict[str, int] = {}
        while not done:
            done = ended(engine.step())
        return done["alone"]

    def arrive(clips: Sequence[Any], at_s: Sequence[float]) -> list[float]:
        begin_s = time.perf_counter()
        done: dict[str, float] = {}
        begun = 0
        while len(done) < len(clips):
            now_s = time.perf_counter() - begin_s
            while begun < len(clips) and at_s[begun] <= now_s:
                engine.admit(work(str(begun), clips[begun]))
                begun += 1
            if begun == len(done):
                time.sleep(max(0.0, at_s[begun] - now_s))
                continue
            for name in ended(engine.step()):
                done[name] = time.perf_counter() - begin_s
        return [done[str(number)] for number in range(len(clips))]

    return transcribe, arrive


if __name__ == "__main__":
    serve(load)
