"""The committed digit models read the embedded voice, and people where their recordings are here."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra qwen")

from benchmarks.digits import ASSETS, corpus, testsets
from benchmarks.digits.driving import Driver
from benchmarks.digits.mixing import DigitString
from benchmarks.wer import corpus_errors

TARGET, DRAFT = ASSETS / "target", ASSETS / "draft"
SEED = 77
"""Strings that no training and no evaluation has."""


@pytest.fixture(scope="module")
def target() -> Driver:
    return Driver(TARGET, decoding="greedy")


@pytest.fixture(scope="module")
def spoken() -> list[DigitString]:
    return testsets.voice_strings(list(corpus.speak(16, SEED)), SEED)


@pytest.fixture(scope="module")
def digits(speech_data: Path) -> corpus.Split:
    folder = speech_data.parent / "digits"
    if not (folder / "manifest.jsonl").is_file():
        pytest.skip(f"no digits: {folder} has no manifest.jsonl")
    return corpus.load(folder)


def rate(driver: Driver, strings: list[DigitString]) -> float:
    texts = [each.hypothesis.text for each in driver.read([string.samples for string in strings])]
    return corpus_errors(zip((string.text for string in strings), texts, strict=True)).rate


def test_the_embedded_voice_is_read_back(target: Driver, spoken: list[DigitString]) -> None:
    assert rate(target, spoken) <= 0.02


def test_unseen_takes_are_read(target: Driver, digits: corpus.Split) -> None:
    strings = testsets.strings_of(digits.unseen_takes, SEED, passes=1)[:60]
    assert rate(target, strings) <= 0.04


def test_nothing_is_heard_where_nobody_speaks(target: Driver) -> None:
    clips = [np.zeros(24_000, np.float32), testsets.silences(2, SEED)[1].samples]
    for reading in target.read(clips):
        assert reading.hypothesis.text == ""
        assert reading.hypothesis.language == ""


def test_the_draft_is_accepted_and_changes_nothing(
    target: Driver, spoken: list[DigitString]
) -> None:
    clips = [string.samples for string in spoken]
    greedy = target.read(clips)
    drafted = Driver(TARGET, decoding="draft", draft=str(DRAFT)).read(clips)
    assert [each.hypothesis for each in drafted] == [each.hypothesis for each in greedy]
    proposed = sum(each.proposed for each in drafted)
    assert sum(each.accepted for each in drafted) >= 0.6 * proposed
    assert 2 * sum(each.passes for each in drafted) <= sum(each.passes for each in greedy)


def test_a_growing_clip_is_verified_in_a_third_of_the_passes(
    target: Driver, spoken: list[DigitString]
) -> None:
    clips = [string.samples for string in spoken]
    greedy = target.follow(clips)
    verified = Driver(TARGET, decoding="previous").follow(clips)
    pairs = [
        (left, right)
        for ours, theirs in zip(greedy, verified, strict=True)
        for left, right in zip(ours, theirs, strict=True)
    ]
    assert [left.hypothesis for left, _ in pairs] == [right.hypothesis for _, right in pairs]
    assert 3 * sum(right.passes for _, right in pairs) <= sum(left.passes for left, _ in pairs)
