"""Translations of segments that still grow: the newest text of each, one version at a time."""

from dataclasses import dataclass, field

from speech_service.domain.errors import SpeechError
from speech_service.domain.events import Cancel, Emit, Submit, TranslatedSegment
from speech_service.domain.transcript import ResultKind
from speech_service.domain.work import WorkEvent
from speech_service.sessions.translation.events import TranslationAction
from speech_service.sessions.translation.work import (
    Route,
    WorkMaker,
    already_there,
    translation_of,
)
from speech_service.text.clean import has_words


@dataclass(slots=True, eq=False)
class _OpenSegment:
    segment_id: int
    source: str = ""
    text: str = ""
    submitted: str = ""
    jobs: dict[str, str] = field(default_factory=dict[str, str])
    """Work under way: its id, its target."""


class GrowingTranslations:
    """Shows PARTIALs. Work of theirs that fails or is dropped costs nothing but freshness."""

    def __init__(self, targets: tuple[str, ...], work: WorkMaker, route: Route) -> None:
        self._targets = targets
        self._work = work
        self._route = route
        self._open: dict[int, _OpenSegment] = {}

    def grow(self, segment_id: int, text: str, source: str) -> list[TranslationAction]:
        """A segment has another text now. Without a ``source`` nothing is shown."""
        opened = self._open.setdefault(segment_id, _OpenSegment(segment_id))
        opened.text, opened.source = text, source
        return self._show(opened)

    def close(self, segment_id: int) -> list[TranslationAction]:
        """The segment is over: no PARTIAL of it follows."""
        opened = self._open.pop(segment_id, None)
        return [Cancel(work_id) for work_id in opened.jobs] if opened else []

    def drop(self) -> list[TranslationAction]:
        """All segments are over."""
        return [action for segment_id in list(self._open) for action in self.close(segment_id)]

    def work_event(self, event: WorkEvent) -> list[TranslationAction] | None:
        """The outcome of work; None where it is not of a segment that still grows."""
        for opened in self._open.values():
            if event.work_id in opened.jobs:
                target, made = opened.jobs.pop(event.work_id), translation_of(event)
                if made is None:
                    return self._show(opened)
                text, kind = made.texts[0].strip(), ResultKind.PARTIAL
                shown = TranslatedSegment(opened.segment_id, target, kind, text, opened.source)
                return [Emit(shown), *self._show(opened)]
        return None

    def _show(self, opened: _OpenSegment) -> list[TranslationAction]:
        """Translate what there is now, unless the last version is still under way."""
        source, text = opened.source, opened.text
        if not source or opened.jobs or text == opened.submitted or not has_words(text):
            return []
        opened.submitted = text
        actions: list[TranslationAction] = []
        for target in self._targets:
            try:
                if already_there(self._route, source, target):
                    continue
                work = self._work.translate(text, source, target, partial=True)
            except SpeechError:
                continue  # the FINAL says it
            opened.jobs[work.work_id] = target
            actions.append(Submit(work))
        return actions
