"""The alignment engine: each step is one pass over a piece of every admitted text, as far as a pass may hold them.

A job is a generator that says what it wants read next (``pieces.py``), so that long and short texts share passes.
"""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUntypedFunctionDecorator=false

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from speech_service.domain.alignment import Alignment, Granularity
from speech_service.domain.audio import samples_to_ms
from speech_service.domain.errors import (
    InternalError,
    SpeechError,
    UnsupportedOptionError,
)
from speech_service.domain.models import ModelCapabilities
from speech_service.domain.work import (
    AlignWork,
    Work,
    WorkDone,
    WorkEvent,
    WorkFailed,
    WorkTiming,
)
from speech_service.engines.audio_checks import checked
from speech_service.engines.qwen3.aligner.network import AlignerNetwork, Passage
from speech_service.engines.qwen3.aligner.passages import PassageMaker, read
from speech_service.engines.qwen3.aligner.pieces import Pieces, TimedWord, in_pieces
from speech_service.engines.qwen3.aligner.report import report
from speech_service.engines.qwen3.aligner.rules import RuleOfText
from speech_service.engines.qwen3.aligner.words import AlignerWord

_MAX_PASS_TOKENS = 16_384
"""Positions of one pass that holds more than one piece."""
_MAX_WORD_CHARACTERS = 200
"""What is longer (a pasted key) is not spoken."""


@dataclass(frozen=True, slots=True)
class AlignerParts:
    """What the engine is composed of."""

    network: AlignerNetwork
    maker: PassageMaker
    rule: RuleOfText
    class_ms: int
    piece_ms: int


@dataclass(slots=True)
class _AlignJob:
    work: AlignWork
    words: Sequence[AlignerWord]
    given: Sequence[int]
    """Indices of the words that the network is given."""
    pieces: Pieces
    started_s: float
    passage: Passage | None = None
    """What it waits for."""
    passes: int = 0


class AlignerEngine:
    """Implements ``protocols.Engine``."""

    def __init__(self, capabilities: ModelCapabilities, parts: AlignerParts) -> None:
        self._capabilities = capabilities
        self._parts = parts
        self._new: list[AlignWork] = []
        self._jobs: dict[str, _AlignJob] = {}
        """In the order of their turns."""

    @property
    def capabilities(self) -> ModelCapabilities:
        """Declared by the backend."""
        return self._capabilities

    def admit(self, work: Work) -> None:
        """Take work in; nothing is computed yet."""
        assert isinstance(work, AlignWork), "an aligner gets alignment work"
        self._new.append(work)

    def abort(self, work_id: str) -> None:
        """Forget the item."""
        self._new = [work for work in self._new if work.work_id != work_id]
        self._jobs.pop(work_id, None)

    @torch.inference_mode()
    def step(self) -> Sequence[WorkEvent]:
        """Begin what is new, run one pass, end what is done."""
        new, self._new = self._new, []
        events = [self._begin(work) for work in new]
        batch = self._batch()
        answers = read(self._parts.network, [passage for _, passage in batch])
        events += [
            self._answer(job, classes) for (job, _), classes in zip(batch, answers, strict=True)
        ]
        return [event for event in events if event is not None]

    def _batch(self) -> list[tuple[_AlignJob, Passage]]:
        """The jobs whose turn it is; at least one, if there is any."""
        batch: list[tuple[_AlignJob, Passage]] = []
        tokens = 0
        for job in self._jobs.values():
            assert job.passage is not None, "a job waits for an answer"
            tokens += self._parts.network.length(job.passage)
            if batch and tokens > _MAX_PASS_TOKENS:
                break
            batch.append((job, job.passage))
        return batch

    def _begin(self, work: AlignWork) -> WorkEvent | None:
        started_s = time.monotonic()
        try:
            _check(work)
            words = self._parts.rule(work.language, work.text)(work.text)
        except SpeechError as error:
            return WorkFailed(work.work_id, error)
        given = [at for at, word in enumerate(words) if len(word.spoken) <= _MAX_WORD_CHARACTERS]
        letters = [words[at].spoken for at in given]
        pieces = in_pieces(work.samples, letters, self._parts.piece_ms)
        job = self._jobs[work.work_id] = _AlignJob(work, words, given, pieces, started_s)
        return self._advance(job, None)

    def _answer(self, job: _AlignJob, classes: Sequence[int] | None) -> WorkEvent | None:
        del self._jobs[job.work.work_id]
        if classes is None:
            return WorkFailed(job.work.work_id, InternalError("internal error"))
        self._jobs[job.work.work_id] = job  # behind those that had no turn
        job.passes += 1
        return self._advance(job, [at * self._parts.class_ms for at in classes])

    def _advance(self, job: _AlignJob, times_ms: Sequence[int] | None) -> WorkEvent | None:
        """Go on with the times of the last reading; None at the start."""
        try:
            reading = next(job.pieces) if times_ms is None else job.pieces.send(times_ms)
        except StopIteration as stop:
            del self._jobs[job.work.work_id]
            return self._done(job, stop.value)
        job.passage = self._parts.maker.make(reading)
        return None

    def _done(self, job: _AlignJob, timed: Sequence[TimedWord]) -> WorkDone:
        work = job.work
        outcome: Alignment = report(
            work.text,
            job.words,
            [replace(time, word=job.given[time.word]) for time in timed],
            samples_to_ms(len(work.samples)),
            self._parts.class_ms,
            work.granularity,
        )
        taken_ms = (time.monotonic() - job.started_s) * 1000
        return WorkDone(
            work.work_id, outcome, WorkTiming(decode_ms=taken_ms, decode_steps=job.passes)
        )


def _check(work: AlignWork) -> None:
    checked(work.samples)
    if work.granularity is Granularity.PHONE:
        supported = [Granularity.WORD.value, Granularity.CHARACTER.value]
        raise UnsupportedOptionError("granularity", "the model has no phones", supported)
