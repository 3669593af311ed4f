"""A recognizer that loses the thread is given the audio again, in smaller pieces.

An autoregressive recognizer may fall into a loop: it says something again and again and hears nothing more. Then the
text behind the loop is missing, and the loop was never said. Two things tell it from people who repeat themselves:
the recognizer does not end by itself within the tokens that anyone can say in the audio, or its text takes longer to
say than the audio is long.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from speech_service.domain.audio import Samples, ms_to_samples, samples_to_ms
from speech_service.domain.models import ModelCapabilities
from speech_service.domain.transcript import Hypothesis, Repair, RepairKind
from speech_service.domain.work import (
    RecognizeKind,
    RecognizeWork,
    Work,
    WorkDone,
    WorkEvent,
    WorkTiming,
)
from speech_service.protocols import Engine
from speech_service.text.bcp47 import is_unspaced
from speech_service.text.noise_words import says_only
from speech_service.text.repetition import collapse_repetitions

_SHORTEST_PART = ms_to_samples(1000)
_QUIET = ms_to_samples(100)
"""Audio is cut in the middle of the quietest stretch of this length."""


@dataclass(slots=True)
class _Parted:
    """Work that looped: parts of its audio, which are decoded one after another under the work's own id."""

    work: RecognizeWork
    begin: int
    """Of the part that is being decoded, in samples of the work."""
    end: int
    later: deque[tuple[int, int]] = field(default_factory=deque[tuple[int, int]])
    said: list[Hypothesis] = field(default_factory=list[Hypothesis])
    timing: WorkTiming = field(default_factory=WorkTiming)


class UnloopingEngine:
    """Implements ``protocols.Engine`` over a recognizer, and repairs what it repeats.

    A FINAL that looped is decoded again in halves, and these likewise, down to a second; what still loops then is
    shortened, and said to be undecoded. A PARTIAL is shortened only: the next one comes soon. Text without a loop is
    the recognizer's own.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._works: dict[str, _Parted] = {}

    @property
    def capabilities(self) -> ModelCapabilities:
        """Those of the recognizer."""
        return self._engine.capabilities

    def admit(self, work: Work) -> None:
        """Take work in."""
        assert isinstance(work, RecognizeWork), "only recognizers are wrapped"
        self._works[work.work_id] = _Parted(work, 0, len(work.samples))
        self._engine.admit(work)

    def step(self) -> Sequence[WorkEvent]:
        """Step the recognizer; what loops goes on in parts."""
        events: list[WorkEvent] = []
        for event in self._engine.step():
            ended = self._done(event) if isinstance(event, WorkDone) else event
            if ended is not None:
                self._works.pop(event.work_id, None)
                events.append(ended)
        return events

    def abort(self, work_id: str) -> None:
        """Forget the item, in whatever part it is."""
        self._works.pop(work_id, None)
        self._engine.abort(work_id)

    def _done(self, event: WorkDone) -> WorkDone | None:
        """The work's outcome, or None: its next part was admitted."""
        parted = self._works[event.work_id]
        parted.timing = _sum(parted.timing, event.timing)
        hypothesis = event.hypothesis
        length = parted.end - parted.begin
        text = collapse_repetitions(
            hypothesis.text, samples_to_ms(length), is_cut_off=hypothesis.is_cut_off
        )
        looped = hypothesis.is_cut_off or text != hypothesis.text
        text = text.strip() if looped else text
        if looped and parted.work.is_last and length >= 2 * _SHORTEST_PART:
            middle = parted.begin + quietest(parted.work.samples[parted.begin : parted.end])
            parted.later.extendleft([(middle, parted.end), (parted.begin, middle)])
        else:
            parted.said.append(_repaired(hypothesis, text, parted, looped=looped))
        if not parted.later:
            return WorkDone(
                event.work_id, _joined(parted, self.capabilities.noise_words), parted.timing
            )
        parted.begin, parted.end = parted.later.popleft()
        self._engine.admit(_part(parted.work, parted.begin, parted.end))
        return None


def quietest(samples: Samples) -> int:
    """The sample in the middle half of float32 [n] that has least sound around it."""
    quarter = len(samples) // 4
    sums = np.cumsum(np.square(samples[quarter:-quarter], dtype=np.float64))
    width = min(_QUIET, len(sums) - 1)
    return quarter + int(np.argmin(sums[width:] - sums[:-width])) + width // 2


def _part(work: RecognizeWork, begin: int, end: int) -> RecognizeWork:
    """A segment of its own to the recognizer, which may keep something of the whole one."""
    key = replace(work.segment, stream_id=f"{work.segment.stream_id}/{begin}-{end}")
    return replace(work, segment=key, samples=work.samples[begin:end], draft_tokens=())


def _repaired(hypothesis: Hypothesis, text: str, parted: _Parted, *, looped: bool) -> Hypothesis:
    if not looped or parted.work.kind is RecognizeKind.PARTIAL:
        return replace(hypothesis, text=text, is_cut_off=False)
    kind = RepairKind.UNDECODED if hypothesis.is_cut_off else RepairKind.REPETITION
    repair = Repair(kind, samples_to_ms(parted.begin), samples_to_ms(parted.end))
    return replace(hypothesis, text=text, is_cut_off=False, repairs=(repair,))


def _joined(parted: _Parted, noise_words: Sequence[str]) -> Hypothesis:
    """What the parts say, as one, without those that hold nothing but noise."""
    if len(parted.said) == 1:
        return parted.said[0]
    said = [each for each in parted.said if not says_only(each.text, noise_words)]
    language = next((each.language for each in said if each.language), "")
    repairs = tuple(repair for each in parted.said for repair in each.repairs)
    whole = Repair(RepairKind.REPETITION, 0, samples_to_ms(len(parted.work.samples)))
    certainties = [each.certainty for each in said if each.certainty is not None]
    return Hypothesis(
        text=("" if is_unspaced(language) else " ").join(each.text for each in said if each.text),
        tokens=tuple(token for each in said for token in each.tokens),
        language=language,
        certainty=min(certainties, default=None),
        repairs=repairs or (whole,),
    )


def _sum(first: WorkTiming, second: WorkTiming) -> WorkTiming:
    return WorkTiming(
        encode_ms=first.encode_ms + second.encode_ms,
        decode_ms=first.decode_ms + second.decode_ms,
        decode_steps=first.decode_steps + second.decode_steps,
        draft_proposed=first.draft_proposed + second.draft_proposed,
        draft_accepted=first.draft_accepted + second.draft_accepted,
    )
