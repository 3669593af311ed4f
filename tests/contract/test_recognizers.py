"""One suite for every recognizer. The audio is the recordings inside the moonshine-voice package."""

import wave
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from speech_service.config.tree import ModelConfig
from speech_service.domain.audio import Samples
from speech_service.domain.errors import UnsupportedOptionError
from speech_service.domain.models import Capability, ModelKind
from speech_service.domain.work import (
    RecognizeKind,
    RecognizeWork,
    SegmentKey,
    WorkClass,
    WorkDone,
    WorkEvent,
    WorkFailed,
)
from speech_service.engines.model_files import package_folder
from speech_service.engines.registry import build_engine, describe
from speech_service.engines.shared import SharedModels
from speech_service.protocols import Engine
from tests.contract.driving import run_to_end
from tests.contract.recognizers import KINDS, configured


@pytest.fixture(scope="module", params=KINDS)
def config(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ModelConfig]:
    with configured(request.param, tmp_path_factory.mktemp("models")) as config:
        yield config


@pytest.fixture(scope="module")
def loaded(config: ModelConfig) -> Engine:
    return build_engine(config)


@pytest.fixture
def engine(loaded: Engine) -> Iterator[Engine]:
    """The engine of a kind, loaded once; a test that leaves work behind spoils the next."""
    yield loaded
    assert loaded.step() == []


def clip(name: str) -> Samples:
    folder = package_folder("moonshine_voice")
    assert folder is not None
    with wave.open(str(folder / "assets" / f"{name}.wav")) as file:
        rate = file.getframerate()
        data = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    assert rate % 16_000 == 0
    step = rate // 16_000
    usable = len(data) // step * step
    mono = data[:usable].reshape(-1, step).mean(axis=1) / 32768  # crude, but enough here
    return mono.astype(np.float32)


@pytest.fixture(scope="module")
def speech() -> Samples:
    return clip("beckett")


def work(
    samples: Samples,
    work_id: str = "w",
    kind: RecognizeKind = RecognizeKind.FINAL,
    draft: tuple[int, ...] = (),
    language: str = "",
) -> RecognizeWork:
    return RecognizeWork(
        work_id=work_id,
        segment=SegmentKey("s", 0, 0),
        kind=kind,
        work_class=WorkClass.UNARY,
        samples=samples,
        model="m",
        draft_tokens=draft,
        language=language,
    )


def run(engine: Engine, *items: RecognizeWork) -> dict[str, WorkEvent]:
    """Run work to its end."""
    return run_to_end(engine, items)


def done(engine: Engine, item: RecognizeWork) -> WorkDone:
    event = run(engine, item)[item.work_id]
    assert isinstance(event, WorkDone)
    return event


def test_what_is_declared_is_what_is_built(config: ModelConfig, engine: Engine) -> None:
    declared = describe(config)
    assert engine.capabilities == declared
    assert declared.kind is ModelKind.RECOGNIZER
    assert declared.sample_rate_hz == 16_000
    assert declared.max_batch >= 1
    assert declared.languages


def test_speech_becomes_text_with_tokens_and_timing(engine: Engine, speech: Samples) -> None:
    event = done(engine, work(speech))
    assert event.hypothesis.text
    assert event.hypothesis.language in ("", *engine.capabilities.languages)
    assert event.timing.decode_steps >= 1
    if Capability.DRAFT_VERIFICATION in engine.capabilities.capabilities:
        assert event.hypothesis.tokens


def test_a_language_that_is_forced_is_the_language_of_the_text(
    engine: Engine, speech: Samples
) -> None:
    for language in engine.capabilities.languages[:2]:
        event = run(engine, work(speech, language=language))["w"]
        if isinstance(event, WorkFailed):
            assert isinstance(event.error, UnsupportedOptionError), "by name, or not at all"
            assert event.error.option == "language"
        else:
            assert isinstance(event, WorkDone)
            assert event.hypothesis.language == language


def test_the_same_audio_gives_the_same_text(engine: Engine, speech: Samples) -> None:
    first = done(engine, work(speech))
    again = done(engine, work(speech.copy()))
    assert first.hypothesis == again.hypothesis


def test_a_final_ignores_what_came_before(engine: Engine, speech: Samples) -> None:
    alone = done(engine, work(speech)).hypothesis
    partial = done(engine, work(speech[:40_000], kind=RecognizeKind.PARTIAL))
    run(engine, work(speech[:24_000], "x"), work(speech[:48_000], "y"))
    with_draft = done(engine, work(speech, draft=partial.hypothesis.tokens))
    assert with_draft.hypothesis == alone


def test_verifying_an_empty_draft_is_greedy(engine: Engine, speech: Samples) -> None:
    greedy = done(engine, work(speech)).hypothesis
    verified = done(engine, work(speech, kind=RecognizeKind.PARTIAL)).hypothesis
    assert verified == greedy


def test_a_draft_that_holds_is_accepted_and_saves_steps(engine: Engine, speech: Samples) -> None:
    if Capability.DRAFT_VERIFICATION not in engine.capabilities.capabilities:
        pytest.skip("declares no draft verification")
    greedy = done(engine, work(speech))
    tokens = greedy.hypothesis.tokens
    verified = done(engine, work(speech, kind=RecognizeKind.PARTIAL, draft=tokens))
    assert verified.timing.draft_proposed >= len(tokens)
    assert verified.timing.draft_accepted >= 0.9 * len(tokens)
    assert verified.timing.decode_steps <= max(3, greedy.timing.decode_steps // 3)
    assert verified.hypothesis == greedy.hypothesis


def test_a_wrong_draft_does_no_harm(engine: Engine, speech: Samples) -> None:
    greedy = done(engine, work(speech)).hypothesis
    wrong = tuple(reversed(greedy.tokens))
    verified = done(engine, work(speech, kind=RecognizeKind.PARTIAL, draft=wrong)).hypothesis
    assert verified.text == greedy.text


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_bad_audio_fails_alone(engine: Engine, speech: Samples, bad: float) -> None:
    broken = speech.copy()
    broken[1000] = bad
    alone = done(engine, work(speech)).hypothesis
    events = run(engine, work(speech, "good"), work(broken, "bad"), work(speech, "after"))
    assert isinstance(events["bad"], WorkFailed)
    for name in ("good", "after"):
        event = events[name]
        assert isinstance(event, WorkDone)
        assert event.hypothesis == alone


def test_empty_audio_fails_and_one_sample_does_not(engine: Engine) -> None:
    assert isinstance(run(engine, work(np.zeros(0, np.float32)))["w"], WorkFailed)
    assert isinstance(run(engine, work(np.zeros(1, np.float32)))["w"], WorkDone)


def test_a_full_segment_is_taken(engine: Engine, speech: Samples) -> None:
    count = engine.capabilities.max_segment_ms * 16
    longest = np.tile(speech, count // len(speech) + 1)[:count]
    assert done(engine, work(longest)).hypothesis.text


def test_abort_forgets_at_any_step(engine: Engine, speech: Samples) -> None:
    expected = done(engine, work(speech)).hypothesis
    for steps in range(4):
        engine.admit(work(speech, f"gone-{steps}"))
        ended = [event for _ in range(steps) for event in engine.step()]
        engine.abort(f"gone-{steps}")
        assert engine.step() == []
        assert len(ended) <= 1
    engine.abort("never admitted")
    assert done(engine, work(speech)).hypothesis == expected


def test_input_audio_is_not_changed(engine: Engine, speech: Samples) -> None:
    frozen = speech.copy()
    frozen.flags.writeable = False
    done(engine, work(frozen))
    np.testing.assert_array_equal(frozen, speech)


def test_lanes_that_share_a_model_do_not_disturb_each_other(
    config: ModelConfig, speech: Samples
) -> None:
    shared = SharedModels()
    lanes = [build_engine(config, shared) for _ in range(2)]
    clips = [speech, speech[: len(speech) // 2]]
    alone = [done(lane, work(one)).hypothesis for lane, one in zip(lanes, clips, strict=True)]
    with ThreadPoolExecutor(2) as threads:
        for _ in range(3):
            futures = [
                threads.submit(done, lane, work(one))
                for lane, one in zip(lanes, clips, strict=True)
            ]
            assert [future.result().hypothesis for future in futures] == alone


# --- what only one of them can promise ---


def test_moonshine_reads_the_recordings_of_its_package() -> None:
    engine = build_engine(ModelConfig(kind="recognizer/moonshine"))
    text = done(engine, work(clip("beckett"))).hypothesis.text.lower()
    words = text.replace(",", "").replace(".", "").split()
    assert words[-6:] == ["try", "again", "fail", "again", "fail", "better"]
    text = done(engine, work(clip("two_cities")[: 12 * 16_000])).hypothesis.text.lower()
    assert text.startswith("it was the best of times, it was the worst of times")


def test_moonshine_refuses_audio_that_would_exhaust_memory() -> None:
    config = ModelConfig(kind="recognizer/moonshine", options={"max_audio_ms": 1000})
    event = run(build_engine(config), work(np.zeros(17_000, np.float32)))["w"]
    assert isinstance(event, WorkFailed)
    assert event.error.reason == "LIMIT_EXCEEDED"


def test_fake_counts_half_seconds_and_fails_when_told_to() -> None:
    options = {"fail_every": 3, "steps": 2}
    engine = build_engine(ModelConfig(kind="recognizer/fake", options=options))
    second = np.zeros(16_000, np.float32)
    items = [work(second, str(i)) for i in range(6)]
    events = run(engine, *items)
    failed = [work_id for work_id, event in events.items() if isinstance(event, WorkFailed)]
    assert failed == ["2", "5"]
    event = events["0"]
    assert isinstance(event, WorkDone)
    assert event.hypothesis.text == "zero one"
    assert event.timing.decode_steps == 2
