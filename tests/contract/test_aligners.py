"""One suite for every aligner. The audio is the recordings inside the moonshine-voice package, and hibari's speech."""

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
import soxr

from speech_service.domain.alignment import Alignment, Granularity, UnalignedReason
from speech_service.domain.audio import Samples, samples_to_ms
from speech_service.domain.models import Capability, ModelKind
from speech_service.domain.work import (
    AlignWork,
    SegmentKey,
    WorkClass,
    WorkDone,
    WorkEvent,
    WorkFailed,
)
from speech_service.engines import hibari
from speech_service.engines.registry import describe
from speech_service.engines.shared import SharedModels
from speech_service.protocols import Engine
from tests.contract.aligners import clip, config_of, loaded
from tests.contract.driving import run_to_end
from tests.contract.synthesizers import pieces_of

KINDS = ("aligner/fake", "aligner/pocketsphinx", "aligner/qwen3")
BECKETT = "Ever tried. Ever failed. No matter. Try again. Fail again. Fail better."
BEGINNING = "Ever tried. Ever failed."
DICKENS = (
    "It was the best of times, it was the worst of times, it was the age of wisdom, "
    "it was the age of foolishness"
)
WRONG = (
    "Seventeen purple elephants negotiated yesterday about municipal electricity prices in Bulgaria"
)
MAX_STEPS = 200


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def engine(kind: str) -> Iterator[Engine]:
    """The engine of a kind, loaded once; a test that leaves work behind spoils the next."""
    yield loaded(kind)
    assert loaded(kind).step() == []


@pytest.fixture
def pocketsphinx() -> Engine:
    return loaded("aligner/pocketsphinx")


@pytest.fixture(scope="module")
def beckett() -> Samples:
    return clip("beckett")


@pytest.fixture(scope="module")
def beginning(beckett: Samples) -> Samples:
    """Of BEGINNING."""
    return beckett[:48_000]


@pytest.fixture(scope="module")
def dickens() -> Samples:
    return clip("two_cities", 8.6)


def work(
    samples: Samples,
    text: str,
    granularity: Granularity = Granularity.WORD,
    work_id: str = "w",
) -> AlignWork:
    return AlignWork(
        work_id=work_id,
        stream_id="s",
        work_class=WorkClass.UNARY,
        model="m",
        segment=SegmentKey("s", 0, 0),
        samples=samples,
        text=text,
        granularity=granularity,
    )


def run(engine: Engine, *items: AlignWork) -> dict[str, WorkEvent]:
    """Run work to its end."""
    return run_to_end(engine, items)


def align(
    engine: Engine, samples: Samples, text: str, granularity: Granularity = Granularity.WORD
) -> Alignment:
    event = run(engine, work(samples, text, granularity))["w"]
    assert isinstance(event, WorkDone)
    assert isinstance(event.outcome, Alignment)
    check(event.outcome, samples, text)
    return event.outcome


def check(alignment: Alignment, samples: Samples, text: str) -> None:
    """What holds for every alignment, of any text with any audio."""
    total_ms = samples_to_ms(len(samples)) + 1
    for unit in alignment.units:
        assert 0 <= unit.start_ms < unit.end_ms <= total_ms
        assert 0 <= unit.char_start < unit.char_end <= len(text)
        assert unit.confidence is None or 0 <= unit.confidence <= 1
        if unit.granularity is not Granularity.PHONE:
            assert unit.text == text[unit.char_start : unit.char_end]
    for size in Granularity:
        units = [unit for unit in alignment.units if unit.granularity is size]
        for before, after in pairwise(units):
            assert before.char_start <= after.char_start
            assert not after.monotonic or after.start_ms >= before.end_ms
    covered = {i for u in alignment.units for i in range(u.char_start, u.char_end)}
    for span in alignment.unaligned:
        assert 0 <= span.start_ms <= span.end_ms <= total_ms
        assert 0 <= span.char_start <= span.char_end <= len(text)
        is_audio = span.reason is UnalignedReason.AUDIO_NOT_IN_TEXT
        assert is_audio == (span.char_start == span.char_end)
        chars = set(range(span.char_start, span.char_end))
        assert not chars & covered
        covered |= chars
    assert all(i in covered for i, char in enumerate(text) if char.isalnum())


def words_of(text: str) -> list[str]:
    return re.findall(r"[\w']+", text)


def test_what_is_declared_is_what_is_built(kind: str, engine: Engine) -> None:
    declared = describe(config_of(kind))
    assert engine.capabilities == declared
    assert declared.kind is ModelKind.ALIGNER
    assert declared.sample_rate_hz == 16_000
    assert Capability.ALIGN_WORDS in declared.capabilities


def test_every_word_has_its_place(engine: Engine, beckett: Samples) -> None:
    alignment = align(engine, beckett, BECKETT)
    assert [unit.text for unit in alignment.units] == words_of(BECKETT)
    assert all(span.char_start == span.char_end for span in alignment.unaligned)


def test_phones_lie_in_their_words(engine: Engine, beckett: Samples) -> None:
    if Capability.ALIGN_PHONES not in engine.capabilities.capabilities:
        pytest.skip("it has no phones")
    alignment = align(engine, beckett, BECKETT, Granularity.PHONE)
    word = None
    phones = 0
    for unit in alignment.units:
        if unit.granularity is Granularity.WORD:
            word = unit
            continue
        assert word is not None
        assert (unit.char_start, unit.char_end) == (word.char_start, word.char_end)
        assert word.start_ms <= unit.start_ms < unit.end_ms <= word.end_ms
        phones += 1
    assert phones >= len(words_of(BECKETT))


def test_characters_fill_their_words(engine: Engine, beckett: Samples) -> None:
    alignment = align(engine, beckett, BECKETT, Granularity.CHARACTER)
    assert all(unit.granularity is Granularity.CHARACTER for unit in alignment.units)
    assert "".join(unit.text for unit in alignment.units) == "".join(words_of(BECKETT))


@pytest.mark.parametrize("text", ["...", "- ?!", "\U0001f389 \U0001f389", "\u2192"])
def test_text_that_nobody_speaks_is_named(engine: Engine, beckett: Samples, text: str) -> None:
    alignment = align(engine, beckett, text)
    assert alignment.units == ()
    reasons = {span.reason for span in alignment.unaligned if span.char_end > span.char_start}
    assert reasons == {UnalignedReason.NOT_SPEAKABLE}


def test_no_text_gives_no_units(engine: Engine, beckett: Samples) -> None:
    assert align(engine, beckett, "").units == ()
    assert align(engine, beckett, " \n\t").units == ()


def test_hostile_text_is_survived(engine: Engine, beckett: Samples) -> None:
    samples = beckett[:16_000]
    for text in (
        "a" * 10_000,
        "\x00\x01\x02 ever \x7f tried",
        "<s> </s> <sil> [NOISE] w0.0 (2) ++ ever(2)",
        "1" * 500,
        "\u65e5\u672c\u8a9e \u0645\u0631\u062d\u0628\u0627 e\u0301ver",
        "ever " * 600,
        "\ud800 ever",
    ):
        align(engine, samples, text)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_bad_audio_fails_alone(engine: Engine, beginning: Samples, bad: float) -> None:
    broken = beginning.copy()
    broken[1000] = bad
    alone = align(engine, beginning, BEGINNING)
    items = [
        work(beginning, BEGINNING, work_id="good"),
        work(broken, BEGINNING, work_id="bad"),
        work(beginning[:0], BEGINNING, work_id="empty"),
        work(beginning, BEGINNING, work_id="after"),
    ]
    events = run(engine, *items)
    for name in ("bad", "empty"):
        event = events[name]
        assert isinstance(event, WorkFailed)
        assert event.error.reason == "INVALID_AUDIO"
    for name in ("good", "after"):
        event = events[name]
        assert isinstance(event, WorkDone)
        assert event.outcome == alone


def test_tiny_and_silent_audio_are_taken(engine: Engine) -> None:
    align(engine, np.zeros(1, np.float32), BECKETT)
    align(engine, np.zeros(160, np.float32), BECKETT)
    align(engine, np.zeros(32_000, np.float32), BECKETT)


def test_abort_forgets_at_any_step(engine: Engine, beginning: Samples) -> None:
    expected = align(engine, beginning, BEGINNING)
    for steps in range(3):
        engine.admit(work(beginning, BEGINNING, work_id=f"gone-{steps}"))
        ended = [event for _ in range(steps) for event in engine.step()]
        engine.abort(f"gone-{steps}")
        assert engine.step() == []
        assert len(ended) <= 1
    engine.abort("never admitted")
    assert align(engine, beginning, BEGINNING) == expected


def test_input_audio_is_not_changed(engine: Engine, beginning: Samples) -> None:
    frozen = beginning.copy()
    frozen.flags.writeable = False
    align(engine, frozen, BEGINNING)
    np.testing.assert_array_equal(frozen, beginning)


# --- what only the real one can promise ---


def test_words_of_fluent_speech_are_all_placed(pocketsphinx: Engine, dickens: Samples) -> None:
    alignment = align(pocketsphinx, dickens, DICKENS)
    assert [unit.text for unit in alignment.units] == words_of(DICKENS)
    assert alignment.unaligned == ()


def test_times_agree_with_those_of_a_synthesizer(pocketsphinx: Engine) -> None:
    speaker = hibari.build_speaker(hibari.HibariOptions(), SharedModels())
    texts = (
        "The committee met on Tuesday, but nobody could remember why.",
        "She bought twenty-three apples for 9 dollars at the market.",
        "Zyborg and Quellinda arrived in Kathmandu.",  # two words that no dictionary has
    )
    errors: list[float] = []
    for text in texts:
        pieces = list(pieces_of(speaker.speak(text)))
        spoken = np.concatenate([piece.samples for piece in pieces])
        samples = soxr.resample(spoken, speaker.sample_rate_hz, 16_000).astype(np.float32)
        starts = {
            unit.char_start: unit.start_ms for unit in align(pocketsphinx, samples, text).units
        }
        truth = [word for piece in pieces for word in piece.words]
        assert all(word.char_start in starts for word in truth if not word.text.startswith("three"))
        rate_ms = speaker.sample_rate_hz / 1000
        errors += [
            abs(starts[w.char_start] - w.start_sample / rate_ms)
            for w in truth
            if w.char_start in starts
        ]
    assert np.mean(errors) <= 30  # on sixty utterances it is 17


def test_wrong_text_is_not_placed(pocketsphinx: Engine, dickens: Samples) -> None:
    alignment = align(pocketsphinx, dickens, WRONG)
    assert len(alignment.units) <= 1
    reasons = {span.reason for span in alignment.unaligned}
    assert reasons == {UnalignedReason.TEXT_NOT_SPOKEN, UnalignedReason.AUDIO_NOT_IN_TEXT}


def test_a_passage_that_is_not_read_is_named(pocketsphinx: Engine, dickens: Samples) -> None:
    head, tail = "It was the best of times, ", DICKENS[len("It was the best of times, ") :]
    alignment = align(pocketsphinx, dickens, f"{head}{WRONG} {tail}")
    (span,) = [s for s in alignment.unaligned if s.char_end > s.char_start]
    assert span.reason is UnalignedReason.TEXT_NOT_SPOKEN
    assert span.char_start <= len(head), "a short beginning may be given up with it"
    assert abs(span.char_end - len(head) - len(WRONG)) <= 4
    assert [unit.text for unit in alignment.units][-len(words_of(tail)) :] == words_of(tail)


def test_speech_that_is_not_in_the_text_is_named(
    pocketsphinx: Engine, beckett: Samples, dickens: Samples
) -> None:
    both = np.concatenate((beckett, dickens))
    alignment = align(pocketsphinx, both, DICKENS)
    assert len(alignment.units) >= len(words_of(DICKENS)) - 1
    spans = [s for s in alignment.unaligned if s.reason is UnalignedReason.AUDIO_NOT_IN_TEXT]
    assert sum(span.end_ms - span.start_ms for span in spans) >= 7_000
    assert spans[-1].end_ms <= samples_to_ms(len(beckett)) + 1_500


@pytest.mark.parametrize("level", [0.0, 1e-4, 0.05])
def test_audio_without_speech_has_no_words(pocketsphinx: Engine, level: float) -> None:
    noise = np.random.default_rng(3).normal(0, level, 5 * 16_000).astype(np.float32)
    assert align(pocketsphinx, noise, BECKETT).units == ()


def test_a_word_that_is_not_said_is_named_and_moves_no_other(
    pocketsphinx: Engine, dickens: Samples
) -> None:
    right = align(pocketsphinx, dickens, DICKENS)
    wrong = align(pocketsphinx, dickens, DICKENS.replace("worst of", "worst municipal of"))
    assert [unit.text for unit in wrong.units] == words_of(DICKENS)
    moved = [a.start_ms - b.start_ms for a, b in zip(wrong.units, right.units, strict=True)]
    assert np.abs(moved).max() <= 50
    (span,) = wrong.unaligned
    assert span.reason is UnalignedReason.TEXT_NOT_SPOKEN


def test_words_without_a_pronunciation_are_named(pocketsphinx: Engine, beckett: Samples) -> None:
    text = BECKETT.replace("No matter", "No \u65e5\u672c matter")
    alignment = align(pocketsphinx, beckett, text)
    assert [unit.text for unit in alignment.units] == words_of(BECKETT)
    (span,) = [s for s in alignment.unaligned if s.char_end > s.char_start]
    assert span.reason is UnalignedReason.NO_PRONUNCIATION
    assert text[span.char_start : span.char_end] == "\u65e5\u672c"


def test_long_audio_is_aligned_in_pieces(pocketsphinx: Engine, beckett: Samples) -> None:
    count = 3
    whole = np.tile(beckett, count)
    text = " ".join([BECKETT] * count)
    pocketsphinx.admit(work(whole, text))
    steps = 1
    while not (events := pocketsphinx.step()):
        steps += 1
        assert steps < MAX_STEPS
    (event,) = events
    assert isinstance(event, WorkDone)
    assert isinstance(event.outcome, Alignment)
    check(event.outcome, whole, text)
    assert [unit.text for unit in event.outcome.units] == words_of(text)
    assert steps >= samples_to_ms(len(whole)) / 20_000, "others get their turn after each window"


def test_every_word_of_spoken_digits_is_placed(pocketsphinx: Engine, speech_data: Path) -> None:
    entries = map(json.loads, (speech_data / "manifest.jsonl").read_text("utf-8").splitlines())
    strings = [e for e in entries if e["group"] == "digits" and "string" in e["path"]][::3]
    assert strings
    errors: list[float] = []
    for entry in strings:
        samples = decoded(speech_data / entry["path"])
        starts = [match.start() for match in re.finditer(r"\S+", entry["text"])]
        truth = dict(zip(starts, (word["start"] for word in entry["words"]), strict=True))
        units = align(pocketsphinx, samples, entry["text"]).units
        assert [unit.char_start for unit in units] == starts
        errors += [abs(unit.start_ms - 1000 * truth[unit.char_start]) for unit in units]
    assert np.mean(errors) <= 20
    assert np.max(errors) <= 60


def decoded(path: Path) -> Samples:
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        parts = [frame.to_ndarray().reshape(-1) for frame in container.decode(stream)]
        rate = stream.rate
    data = np.concatenate(parts)
    scale = 32768 if data.dtype == np.int16 else 1
    return soxr.resample(data.astype(np.float32) / scale, rate, 16_000).astype(np.float32)
