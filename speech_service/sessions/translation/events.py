"""What a translation session tells its client (what was heard, its translations), before and after its speech was
encoded."""

from speech_service.domain.events import (
    Action,
    SegmentInLanguage,
    SpeechChunk,
    SpeechSamples,
    Step,
    TranslatedSegment,
)
from speech_service.sessions.recognition.events import RecognitionEvent

TranslationEvent = RecognitionEvent | TranslatedSegment | SpeechSamples[SegmentInLanguage]
EncodedTranslationEvent = RecognitionEvent | TranslatedSegment | SpeechChunk[SegmentInLanguage]
TranslationAction = Action[TranslationEvent]
TranslationStep = Step[TranslationEvent]
