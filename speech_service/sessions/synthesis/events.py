"""What a synthesis session tells its client, before and after its speech was encoded."""

from speech_service.domain.events import (
    Action,
    CommonEvent,
    ContextEnded,
    ContextTurn,
    SpeechChunk,
    SpeechSamples,
    SpeechTimings,
)

SynthesisEvent = CommonEvent | SpeechSamples[ContextTurn] | SpeechTimings | ContextEnded
EncodedSynthesisEvent = CommonEvent | SpeechChunk[ContextTurn] | SpeechTimings | ContextEnded
SynthesisAction = Action[SynthesisEvent]
