"""Measure the digit models: error rates, what speculation saves, what a stream and eight bits change."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.corpus import DataMissingError
from benchmarks.digits import SAMPLE_RATE_HZ, corpus, streaming, testsets
from benchmarks.digits.driving import Driver, Reading
from benchmarks.digits.mixing import DigitString
from benchmarks.harness import progress
from benchmarks.results import Run
from benchmarks.stats import Figure
from benchmarks.wer import WordErrors, corpus_errors

TARGETS = {testsets.UNSEEN_TAKES: 2.0}
"""Highest word error rate in per cent, where there is a goal."""
_WINDOW_SAMPLES = 8 * SAMPLE_RATE_HZ
Sets = dict[str, list[DigitString]]
Found = tuple[list[Figure], dict[str, Any]]


def run(args: argparse.Namespace) -> None:
    """Measure and write ``digits.json``.

    Raises:
        DataMissingError: the recordings or the checkpoints are not there.
    """
    record = Run("digits", args)
    torch.set_num_threads(1)
    models = Path(args.models)
    for name in ("target", "draft"):
        if not (models / name / "config.json").is_file():
            raise DataMissingError(f"no checkpoint at {models / name}; train it or name --models")
    sets = testsets.named_sets(corpus.load(args.data), 0.1 if args.quick else 1.0)
    parts: dict[str, Callable[[Path, Sets], Found]] = {
        "offline": _offline,
        "speculation": _speculation,
        "updates": _updates,
        "eight bits": _eight_bits,
        "streaming": streaming.run,
    }
    figures: list[Figure] = []
    detail: dict[str, Any] = {name: _described(strings) for name, strings in sets.items()}
    with progress("digits", len(parts)) as advance:
        for name, part in parts.items():
            found, notes = part(models, sets)
            figures += found
            detail |= notes
            advance(name)
    settings = {
        "strings": "1 to 10 digits, 0.05 to 0.5 s between them, each of one speaker, every take 4 times",
        "arithmetic": "float32 on the weights as they are stored (bfloat16)",
        "noise": "no figure here is a time: what others did on the machine changes none of them",
        "speculation": "draft: 4 tokens ahead; updates: every 0.5 s, the previous partial as the draft",
    }
    record.write(figures, settings, detail)


def _offline(models: Path, sets: Sets) -> Found:
    """Error rates of both models, each string in one piece, plain greedy."""
    figures: list[Figure] = []
    detail: dict[str, Any] = {}
    for model in ("target", "draft"):
        driver = Driver(models / model, decoding="greedy")
        for name, strings in sets.items():
            readings = driver.read([string.samples for string in strings])
            errors = _errors(strings, readings)
            if name == testsets.SILENCE:
                heard = Figure(f"{model}: words heard in {name}", "words", [float(errors.errors)])
                figures.append(heard)
                continue
            goal = TARGETS.get(name) if model == "target" else None
            figures.append(Figure(f"{model}: WER {name}", "%", [100 * errors.rate], goal))
            detail[f"{model}: {name}"] = _counts(errors)
            if name == testsets.UNSEEN_TAKES:
                figures.append(_two_windows(model, strings, readings))
    return figures, detail


def _speculation(models: Path, sets: Sets) -> Found:
    """What the draft saves the target, on the same strings; the text must be that of greedy decoding."""
    clips = [string.samples for string in sets[testsets.UNSEEN_TAKES]]
    greedy = Driver(models / "target", decoding="greedy").read(clips)
    drafted = Driver(models / "target", decoding="draft", draft=str(models / "draft")).read(clips)
    accepted = sum(each.accepted for each in drafted) / sum(each.proposed for each in drafted)
    saved = sum(each.passes for each in greedy) / sum(each.passes for each in drafted)
    return [
        Figure("draft: tokens accepted of those proposed", "", [accepted], 0.6, "higher"),
        Figure("draft: fewer passes of the target", "x", [saved], 2.0, "higher"),
        Figure("draft: texts that differ from greedy", "strings", [_differing(greedy, drafted)], 0),
    ], {}


def _updates(models: Path, sets: Sets) -> Found:
    """What the previous partial saves when a string grows by half a second at a time."""
    clips = [string.samples for string in sets[testsets.UNSEEN_TAKES]]
    plain = _flat(Driver(models / "target", decoding="greedy").follow(clips))
    verified = _flat(Driver(models / "target", decoding="previous").follow(clips))
    saved = sum(each.passes for each in plain) / sum(each.passes for each in verified)
    differing = _differing(plain, verified)
    return [
        Figure("updates: fewer passes of the target", "x", [saved], 3.0, "higher"),
        Figure("updates: texts that differ from greedy", "partials", [differing], 0),
    ], {"updates": len(plain)}


def _eight_bits(models: Path, sets: Sets) -> Found:
    """What INT8 weights and activations cost in accuracy."""
    strings = sets[testsets.UNSEEN_TAKES]
    clips = [string.samples for string in strings]
    whole, quantized = (
        Driver(models / "target", quantize=method).read(clips) for method in ("none", "int8")
    )
    lost = 100 * (_errors(strings, quantized).rate - _errors(strings, whole).rate)
    return [
        Figure("int8: WER lost on unseen takes", "points", [lost], 0.5),
        Figure("int8: texts that differ from float32", "strings", [_differing(whole, quantized)]),
    ], {}


def _two_windows(model: str, strings: Sequence[DigitString], readings: Sequence[Reading]) -> Figure:
    """Error rate of what is longer than one window of the encoder."""
    long = [
        (string, reading)
        for string, reading in zip(strings, readings, strict=True)
        if len(string.samples) > _WINDOW_SAMPLES
    ]
    errors = _errors([string for string, _ in long], [reading for _, reading in long])
    note = f"{len(long)} strings"
    return Figure(f"{model}: WER unseen takes over 8 s", "%", [100 * errors.rate], note=note)


def _errors(strings: Sequence[DigitString], readings: Sequence[Reading]) -> WordErrors:
    return corpus_errors(
        (string.text, reading.hypothesis.text)
        for string, reading in zip(strings, readings, strict=True)
    )


def _differing(left: Sequence[Reading], right: Sequence[Reading]) -> float:
    pairs = zip(left, right, strict=True)
    return float(sum(a.hypothesis.tokens != b.hypothesis.tokens for a, b in pairs))


def _flat(readings: Sequence[Sequence[Reading]]) -> list[Reading]:
    return [reading for each in readings for reading in each]


def _counts(errors: WordErrors) -> dict[str, int]:
    return {
        "words": errors.words,
        "substitutions": errors.substitutions,
        "deletions": errors.deletions,
        "insertions": errors.insertions,
    }


def _described(strings: Sequence[DigitString]) -> str:
    seconds = sum(len(string.samples) for string in strings) / SAMPLE_RATE_HZ
    return f"{len(strings)} strings, {sum(len(s.digits) for s in strings)} digits, {seconds:.0f} s"
