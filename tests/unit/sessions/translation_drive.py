"""Drives a TranslationSession by hand: what it asked for, and what it told."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from speech_service.domain.errors import SpeechError, UnavailableError
from speech_service.domain.events import (
    Cancel,
    Detect,
    Emit,
    Finish,
    Submit,
    TranslatedSegment,
)
from speech_service.domain.recognition import Pacing, RecognitionOptions
from speech_service.domain.synthesis import OutputEncoding, OutputFormat, SynthesisOptions
from speech_service.domain.transcript import Hypothesis, ResultKind
from speech_service.domain.translation import LanguageGuess, Translation, TranslationRoute
from speech_service.domain.work import (
    IdentifyWork,
    LanguagesFound,
    Outcome,
    RecognizeWork,
    SpeechMade,
    SynthesizeWork,
    TranslateWork,
    Work,
    WorkAudio,
    WorkDone,
    WorkEvent,
    WorkFailed,
    WorkTiming,
)
from speech_service.sessions.recognition.session import RecognitionSession, SessionIdentity
from speech_service.sessions.translation.events import TranslationEvent, TranslationStep
from speech_service.sessions.translation.session import TranslationSession
from speech_service.sessions.translation.work import TranslationOptions

TARGETS = ("pt", "de")
VOICE = SynthesisOptions("hum", "hum", OutputFormat(OutputEncoding.PCM_S16LE, 24_000))
DOWN = UnavailableError("the translator is down")


def route(source: str, target: str) -> TranslationRoute:
    """Everything but Finnish."""
    if target == "fi":
        raise UnavailableError("nobody")
    return TranslationRoute(f"{source}-{target}")


class Drive:
    """A session, what it asked for, and what it told."""

    def __init__(self, *, hears: bool = False, **options: Any) -> None:
        self.now_s = 0.0
        identity = SessionIdentity("s")
        settings: dict[str, Any] = {"targets": TARGETS, "source_language": "en", **options}
        recognition = None
        if hears:
            heard = RecognitionOptions("r", language="en", pacing=Pacing.REALTIME)
            recognition = RecognitionSession(identity, heard, lambda: self.now_s)
        self.session = TranslationSession(
            identity,
            TranslationOptions(**settings),
            route,
            lambda: self.now_s,
            recognition,
        )
        self.work: dict[str, Work] = {}
        self.cancelled: list[str] = []
        self.events: list[TranslationEvent] = []
        self.finished: list[SpeechError | None] = []
        self.loud = False

    def do(self, actions: Sequence[TranslationStep]) -> "Drive":
        """Carry out what the session asks for."""
        for action in actions:
            assert not self.finished or isinstance(action, Cancel), "nothing follows the end"
            match action:
                case Submit(work):
                    assert work.work_id not in self.work
                    self.work[work.work_id] = work
                case Cancel(work_id):
                    self.work.pop(work_id, None)
                    self.cancelled.append(work_id)
                case Emit(event):
                    self.events.append(event)
                case Finish(error):
                    self.finished.append(error)
                case Detect(_, frames):
                    level = np.full(len(frames), 1.0 if self.loud else 0.0, np.float32)
                    self.do(self.session.probabilities(level))
        return self

    def text(self, text: str) -> "Drive":
        """The client sends text."""
        return self.do(self.session.text(text))

    def hear(self, ms: int, *, loud: bool) -> "Drive":
        """The client sends audio."""
        self.do(self.session.catch_up())
        self.loud = loud
        for _ in range(ms // 32):
            self.do(self.session.audio(np.zeros((512, 1), np.float32)))
        return self

    def answer(self, work_id: str, outcome: Outcome | SpeechError | None = None) -> "Drive":
        """A work item ends: as asked, or as it should."""
        work = self.work.pop(work_id)
        event: WorkEvent
        match outcome if outcome is not None else good(work):
            case SpeechError() as error:
                event = WorkFailed(work_id, error)
            case made:
                event = WorkDone(work_id, made, WorkTiming(queue_ms=1.0, decode_ms=2.0))
        if isinstance(work, SynthesizeWork) and isinstance(event, WorkDone):
            samples = np.zeros(len(work.text), np.float32)
            self.do(self.session.work_event(WorkAudio(work_id, samples, 24_000)))
        return self.do(self.session.work_event(event))

    def answer_all(self, outcome: Outcome | SpeechError | None = None) -> "Drive":
        """Everything that is under way ends."""
        while self.work:
            self.answer(next(iter(self.work)), outcome)
        return self

    def finals(self) -> list[tuple[int, str, str]]:
        """Segment, target and text of the FINALs."""
        return [
            (e.segment_id, e.language, e.text)
            for e in self.events
            if isinstance(e, TranslatedSegment) and e.kind is ResultKind.FINAL
        ]

    def of(self, kind: type[TranslationEvent]) -> list[TranslationEvent]:
        """Events of one type."""
        return [e for e in self.events if isinstance(e, kind)]


def good(work: Work) -> Outcome:
    """What a model would say."""
    match work:
        case TranslateWork():
            return Translation((f"{work.texts[0]}>{work.target_language}",))
        case IdentifyWork():
            return LanguagesFound(((LanguageGuess("en", 0.9),),))
        case RecognizeWork():
            return Hypothesis("good morning", language="en")
        case _:
            return SpeechMade(24_000)
