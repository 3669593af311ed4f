"""The work items of a translation session, and how their ends read."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from speech_service.domain.errors import SpeechError, UnavailableError
from speech_service.domain.synthesis import SynthesisOptions
from speech_service.domain.translation import Translation, TranslationRoute
from speech_service.domain.work import IdentifyWork, TranslateWork, WorkDone, WorkEvent, WorkFailed
from speech_service.sessions.recognition.session import SessionIdentity
from speech_service.text import bcp47

MAX_IDENTIFIED_CHARACTERS = 2_000


class Route(Protocol):
    """Says who translates a pair."""

    def __call__(self, source: str, target: str) -> TranslationRoute:
        """The model and what it heeds.

        Raises:
            SpeechError: nobody does.
        """
        ...


@dataclass(frozen=True, slots=True)
class TranslationOptions:
    """What a translation session needs to know."""

    targets: tuple[str, ...]
    source_language: str = ""
    """Empty: it is identified, segment by segment."""
    identifier: str = ""
    """Model that identifies text; empty: its script does."""
    partials: bool = False
    sentence_pause_ms: int = 0
    """How long no text may come before a sentence that is finished is translated; 0: it waits for the next word."""
    voices: Mapping[str, SynthesisOptions] = field(default_factory=dict[str, SynthesisOptions])
    """How each target is spoken; empty: not at all."""
    speech_tries: int = 1
    """As ``SynthesisIdentity.tries``."""


class WorkMaker:
    """Makes the work of one session."""

    def __init__(
        self, identity: SessionIdentity, options: TranslationOptions, route: Route
    ) -> None:
        self._identity = identity
        self._options = options
        self._route = route
        self._numbers = itertools.count(1)

    def identify(self, text: str) -> IdentifyWork:
        """Find the language of a segment."""
        identity = self._identity
        return IdentifyWork(
            work_id=self._new_id(),
            stream_id=identity.session_id,
            work_class=identity.final_class,
            model=self._options.identifier,
            deadline_s=identity.deadline_s,
            traceparent=identity.traceparent,
            texts=(text[:MAX_IDENTIFIED_CHARACTERS],),
        )

    def translate(
        self, text: str, source: str, target: str, *, partial: bool = False
    ) -> TranslateWork:
        """Translate a segment.

        Raises:
            SpeechError: nobody has the pair.
        """
        identity, route = self._identity, self._route(source, target)
        return TranslateWork(
            work_id=self._new_id(),
            stream_id=identity.session_id,
            work_class=identity.partial_class if partial else identity.final_class,
            model=route.model,
            deadline_s=identity.deadline_s,
            traceparent=identity.traceparent,
            texts=(text,),
            source_language=source,
            target_language=target,
            glossary=route.glossary,
            context=route.context,
        )

    def _new_id(self) -> str:
        return f"{self._identity.session_id}:t{next(self._numbers)}"


def already_there(route: Route, source: str, target: str) -> bool:
    """True where the source is the target, and nobody translates between its kinds."""
    if not source or not bcp47.serves(source, target):
        return False
    try:
        route(source, target)
    except SpeechError:
        return True
    return False


def failure(event: WorkEvent) -> SpeechError:
    """Why a segment has no translation."""
    if isinstance(event, WorkFailed):
        return event.error
    return UnavailableError("the translator gave no usable answer", reason="TRANSLATION_FAILED")


def translation_of(event: WorkEvent) -> Translation | None:
    """The translation of a work item of one text; None where there is none."""
    if isinstance(event, WorkDone) and isinstance(event.outcome, Translation):
        return event.outcome if event.outcome.texts[0].strip() else None
    return None
