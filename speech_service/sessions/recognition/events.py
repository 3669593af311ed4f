"""What a recognition session tells its client."""

from speech_service.domain.events import Action, CommonEvent, Progress, SpeechEvent, Step
from speech_service.domain.transcript import TranscriptResult

RecognitionEvent = CommonEvent | TranscriptResult | SpeechEvent | Progress
RecognitionAction = Action[RecognitionEvent]
RecognitionStep = Step[RecognitionEvent]
