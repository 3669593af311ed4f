"""Runs translators for the tests: work in, results out."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from msgspec import structs

from speech_service.domain.errors import (
    SpeechError,
)
from speech_service.domain.translation import GlossaryEntry, Translation
from speech_service.domain.work import TranslateWork, WorkClass, WorkDone, WorkEvent, WorkFailed
from speech_service.engines import openai
from speech_service.engines.model_server.engine import ServerEngine
from speech_service.engines.shared import SharedModels
from speech_service.protocols import Engine

TIMEOUT_S = 100.0


@dataclass(frozen=True)
class Result:
    """A translation with its notes taken apart: reasons by text, and pairs of text and entry."""

    texts: tuple[str, ...]
    failed: Mapping[int, str]
    lost_terms: Sequence[tuple[int, int]]
    changed: tuple[int, ...] = ()


def work_of(
    texts: Sequence[str],
    work_id: str = "w",
    source: str = "en",
    target: str = "pt",
    glossary: Sequence[GlossaryEntry] = (),
    context: str = "",
    deadline_s: float | None = None,
) -> TranslateWork:
    return TranslateWork(
        work_id=work_id,
        stream_id="s",
        work_class=WorkClass.UNARY,
        model="m",
        deadline_s=deadline_s,
        texts=tuple(texts),
        source_language=source,
        target_language=target,
        glossary=tuple(glossary),
        context=context,
    )


def open_ai(url: str, **options: object) -> ServerEngine:
    base = openai.OpenAiOptions(base_url=url, model="small", timeout_s=60.0, max_retries=2)
    return openai.build(structs.replace(base, **options), SharedModels())


def run(engine: Engine, *items: TranslateWork) -> dict[str, WorkEvent]:
    """Run items to their end."""
    for item in items:
        engine.admit(item)
    ends: dict[str, WorkEvent] = {}
    until_s = time.monotonic() + TIMEOUT_S
    while len(ends) < len(items):
        assert time.monotonic() < until_s, "the engine never ends"
        for event in engine.step():
            assert event.work_id not in ends, "one end per item"
            ends[event.work_id] = event
    return ends


def result_of(event: WorkEvent) -> Result:
    assert isinstance(event, WorkDone), event
    assert isinstance(event.outcome, Translation)
    made = event.outcome
    return Result(
        made.texts,
        {failed.text_index: failed.reason for failed in made.failed},
        [(lost.text_index, lost.glossary_index) for lost in made.lost_terms],
        made.changed,
    )


def done(engine: Engine, item: TranslateWork) -> Result:
    return result_of(run(engine, item)[item.work_id])


def failed(engine: Engine, item: TranslateWork) -> SpeechError:
    event = run(engine, item)[item.work_id]
    assert isinstance(event, WorkFailed), event
    return event.error
