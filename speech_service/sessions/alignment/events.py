"""What an alignment session tells its client."""

from speech_service.domain.alignment import UnalignedSpan
from speech_service.domain.events import Action, AlignedUnits, CommonEvent, Progress

AlignmentEvent = CommonEvent | AlignedUnits | UnalignedSpan | Progress
AlignmentAction = Action[AlignmentEvent]
