"""The official package's streaming policy, against its recorded streams."""

from pathlib import Path
from typing import Any

import pytest

from speech_service.domain.audio import MODEL_RATE_HZ
from speech_service.domain.work import RecognizeKind, SegmentKey, WorkClass, WorkDone
from speech_service.engines.qwen3.asr.beginnings import DROPPED_TOKENS, FREE_SAMPLES, KeptText
from speech_service.engines.qwen_release.recognition import TAGS
from tests.qwen_tiny.golden import read_golden
from tests.unit.engines.qwen3.asr.engines import (
    clip,
    greedy,
    limit,
    make_engine,
    make_work,
    parts,
    replace_parts,
    run,
    tokens_of,
)

GOLDEN = read_golden("streaming")


@pytest.mark.parametrize("decoding", ["greedy", "previous"])
@pytest.mark.parametrize("case", GOLDEN.cases, ids=[case["name"] for case in GOLDEN.cases])
def test_calls_equal_those_of_the_official_package(
    target: Path, case: dict[str, Any], decoding: str
) -> None:
    engine = make_engine(target, streaming="official", decoding=decoding, mel_floor="clip")
    chunk = int(case["chunk_size_s"] * MODEL_RATE_HZ)
    policy = (case["unfixed_chunks"] * chunk, case["unfixed_tokens"])
    replace_parts(engine, beginning=KeptText(parts(engine).tokenizer, *policy))
    samples = clip(case["audio"]["seed"], case["audio"]["duration_s"])
    language = TAGS[case["language"].casefold()] if case["language"] else ""
    key, tokens = SegmentKey("stream", 0, 0), ()
    for call in case["calls"]:
        work = make_work(
            samples[: call["audio_samples"]],
            segment=key,
            kind=RecognizeKind.FINAL if call["audio_samples"] % chunk else RecognizeKind.PARTIAL,
            draft_tokens=tokens,
            language=language,
            context=case["context"],
        )
        begins = tuple(parts(engine).beginning(work))
        assert tuple(call["prompt_ids"][len(call["prompt_ids"]) - len(begins) :]) == begins
        limit(engine, len(begins) + case["max_new_tokens"])
        event = run(engine, [work])[work.work_id]
        assert isinstance(event, WorkDone)
        tokens = tokens_of(event)
        said = [token for token in call["tokens"] if token not in GOLDEN.document["eos_ids"]]
        assert tokens == (*begins, *said)
        assert parts(engine).tokenizer.decode(tokens) == call["decoded"]


def test_the_default_policy_is_the_packages(target: Path) -> None:
    engine = make_engine(target, streaming="official")
    default: Any = parts(engine).beginning
    policies = {
        (case["unfixed_chunks"] * case["chunk_size_s"], case["unfixed_tokens"])
        for case in GOLDEN.cases
    }
    assert (default._free_samples / MODEL_RATE_HZ, default._dropped_tokens) in policies
    assert (default._free_samples, default._dropped_tokens) == (FREE_SAMPLES, DROPPED_TOKENS)


def test_the_first_four_seconds_are_free(target: Path) -> None:
    engine = make_engine(target, streaming="official")
    draft = tuple(greedy(target, [make_work(clip(1, 4.0))])[0])
    free = make_work(clip(1, 4.0), draft_tokens=draft)
    bound = make_work(clip(1, 4.1), draft_tokens=draft)
    assert parts(engine).beginning(free) == ()
    assert len(parts(engine).beginning(bound)) > 0


def test_verified_streaming_begins_with_nothing(target: Path) -> None:
    engine = make_engine(target)
    assert parts(engine).beginning(make_work(clip(1, 9.0), draft_tokens=(70, 71, 72) * 5)) == ()


def test_work_that_had_to_give_way_begins_with_the_same_text(target: Path) -> None:
    options = {"streaming": "official", "decoding": "greedy", "max_batch": 1}
    engine = make_engine(target, answer_tokens=60, **options)
    draft = tuple(greedy(target, [make_work(clip(2, 4.0))], answer_tokens=12)[0])
    works = [
        make_work(clip(2, 6.0), draft_tokens=draft, work_class=WorkClass.BACKGROUND)
        for _ in range(2)
    ]
    alone = tokens_of(run(engine, works[:1])[works[0].work_id])
    assert len(alone) > len(parts(engine).beginning(works[0])) + 2, "it has to run for some steps"
    urgent = make_work(clip(3, 0.6), work_class=WorkClass.STREAM_FINAL)

    def interrupt(step: int) -> None:
        if step == 2:
            engine.admit(urgent)

    events = run(engine, works[1:], interrupt)
    assert list(events) == [urgent.work_id, works[1].work_id]
    assert tokens_of(events[works[1].work_id]) == alone
