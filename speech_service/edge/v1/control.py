"""Control messages: what is wrong with one costs its own work, and is told in its ack."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from speech_service.domain.errors import InvalidFieldError, SpeechError
from speech_service.domain.events import Action, ControlKind
from speech_service.edge.fields import Fields, limit_exceeded
from speech_service.edge.v1 import common as convert
from speech_service.edge.v1.synthesis.results import MAX_CONTEXT_ID_CHARACTERS

Event = TypeVar("Event")
Event_co = TypeVar("Event_co", covariant=True)


class Refusing(Protocol[Event_co]):
    """A session that acknowledges control messages."""

    def refuse(
        self, kind: ControlKind, control_id: str, error: SpeechError, context_id: str = ""
    ) -> Sequence[Action[Event_co]]:
        """Acknowledge a message that is not carried out, in its turn."""
        ...


def control_fields(kind: ControlKind) -> Fields:
    """Where a control message of that kind has what errors speak of."""
    return Fields({"control_id": f"{kind.value}.control_id"})


def control_actions(
    session: Refusing[Event],
    kind: ControlKind,
    control_id: str,
    act: Callable[[str], Sequence[Action[Event]]],
    context_id: str = "",
) -> Sequence[Action[Event]]:
    """What a control message asks for: ``act`` with its checked id; or its refusal, where an id is too long."""
    try:
        check_context_id(context_id, f"{kind.value}.context_id")
        checked = convert.control_id(control_id, f"{kind.value}.control_id")
    except InvalidFieldError as error:
        return refusal(session, kind, control_id, error, context_id)
    with control_fields(kind).named():
        return act(checked)


def refusal(
    session: Refusing[Event],
    kind: ControlKind,
    control_id: str,
    error: SpeechError,
    context_id: str = "",
) -> Sequence[Action[Event]]:
    """The ack of a message that is not carried out; ids that are too long come back cut."""
    shown_id = control_id[: convert.MAX_CONTROL_ID_CHARACTERS]
    with control_fields(kind).named():
        return session.refuse(kind, shown_id, error, context_id[:MAX_CONTEXT_ID_CHARACTERS])


def check_context_id(value: str, field: str) -> str:
    """The id, unless it is too long.

    Raises:
        InvalidFieldError: it is.
    """
    if len(value) > MAX_CONTEXT_ID_CHARACTERS:
        raise limit_exceeded(field, "max_context_id_characters", MAX_CONTEXT_ID_CHARACTERS)
    return value
