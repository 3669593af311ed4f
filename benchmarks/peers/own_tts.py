"""This project's synthesis engine, in this environment."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from tts_loop import Speak, Spoken, serve

from speech_service.domain.work import SynthesizeWork, WorkAudio, WorkClass, WorkDone
from speech_service.engines.qwen3.tts.config import FRAME_RATE_HZ
from speech_service.engines.qwen3.tts.options import Qwen3TtsOptions, build
from speech_service.engines.shared import SharedModels
from speech_service.protocols import Engine

GREEDY = {"temperature": 0.0, "predictor_temperature": 0.0}


def work(number: int, text: str, speaker: str) -> SynthesizeWork:
    """Make work of a text."""
    return SynthesizeWork(
        work_id=str(number),
        stream_id=str(number),
        work_class=WorkClass.UNARY,
        model="qwen3",
        text=text,
        voice=speaker,
        language="en",
        seed=number,
    )


def load(config: dict[str, Any]) -> Speak:
    """Load ``config["model"]``; every text gets ``config["frames"]`` frames."""
    shared = SharedModels()
    engines = {
        sample: build(
            Qwen3TtsOptions(
                model=config["model"],
                dtype=config["dtype"],
                threads=config["threads"],
                max_batch=config["streams"],
                max_seconds=(config["frames"] + 0.5) / FRAME_RATE_HZ,
                **({} if sample else GREEDY),
                **config.get("options", {}),
            ),
            shared,
        )
        for sample in (False, True)
    }

    def speak(texts: Sequence[str], sample: bool, together: bool) -> Spoken:
        engine, begin_s = engines[sample], time.perf_counter()
        groups = [list(range(len(texts)))] if together else [[n] for n in range(len(texts))]
        first_s, samples = 0.0, [0] * len(texts)
        for group in groups:
            for number in group:
                engine.admit(work(number, texts[number], config["speaker"]))
            first_of_group_s = drain(engine, len(group), samples, begin_s)
            first_s = first_s or first_of_group_s
        return Spoken(first_s, samples)

    return speak


def drain(engine: Engine, count: int, samples: list[int], begin_s: float) -> float:
    """Step until ``count`` texts are spoken; returns when the first audio was there, seconds from ``begin_s``."""
    first_s, ended = 0.0, 0
    while ended < count:
        for event in engine.step():
            if isinstance(event, WorkAudio):
                first_s = first_s or time.perf_counter() - begin_s
                samples[int(event.work_id)] += len(event.samples)
            else:
                assert isinstance(event, WorkDone), event
                ended += 1
    return first_s


if __name__ == "__main__":
    serve(load)
