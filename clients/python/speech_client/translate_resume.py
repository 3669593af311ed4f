"""How a translation of speech goes on in another call."""

from collections.abc import Sequence
from typing import Any

from speech.v1 import translation_service_pb2 as translation_pb2
from speech_client.reconnect import ReconnectPolicy
from speech_client.results import RecognitionResult, ResultKind
from speech_client.resume import RecognitionRecovery
from speech_client.translated import Translation


class TranslationRecovery(RecognitionRecovery):
    """StreamingTranslate of audio. What was recognized and not translated is translated again, and not recognized."""

    def __init__(self, config: translation_pb2.TranslationConfig, policy: ReconnectPolicy) -> None:
        super().__init__(config.recognition, policy)
        self._translation = config
        self._targets = tuple(config.target_languages)
        self._untranslated: dict[int, RecognitionResult] = {}
        self._told: dict[int, int] = {}
        """How many targets of a segment were told of, in their order."""
        self._source_language = ""

    def mark(self) -> object:
        """As of ``Recovery``."""
        return super().mark(), len(self._untranslated), sum(self._told.values())

    def _final(self, result: RecognitionResult) -> None:
        super()._final(result)
        self._untranslated[result.segment_id] = result

    def _passed_on(self, event: Any) -> Sequence[Any]:
        if isinstance(event, Translation) and event.kind is ResultKind.FINAL:
            return self._translated(event)
        return super()._passed_on(event)

    def _translated(self, translation: Translation) -> Sequence[Any]:
        segment_id = translation.segment_id
        self._source_language = translation.source_language or self._source_language
        for earlier in [s for s in self._untranslated if s < segment_id]:
            self._settle(earlier)  # its own came before, or a warning in their place
        place = self._place_of(translation.language)
        if place < self._told.get(segment_id, 0):
            return ()
        self._told[segment_id] = place + 1
        if place + 1 == len(self._targets):
            self._settle(segment_id)
        return (translation,)

    def _place_of(self, language: str) -> int:
        return self._targets.index(language) if language in self._targets else 0

    def _settle(self, segment_id: int) -> None:
        self._untranslated.pop(segment_id, None)
        self._told.pop(segment_id, None)

    def first(self, token: str) -> Any:
        """As of ``Recovery``."""
        config = translation_pb2.TranslationConfig()
        config.CopyFrom(self._translation)
        config.recognition.CopyFrom(self._config)
        config.resume.CopyFrom(self.place(token))
        config.resume.source_language = self._source_language
        for segment in self._untranslated.values():
            languages = segment.languages
            config.resume.untranslated.add(
                segment_id=segment.segment_id,
                text=segment.text,
                language=languages[0].code if languages else "",
            )
        return translation_pb2.StreamingTranslateRequest(config=config)
