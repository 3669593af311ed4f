"""The RPC being served, and the metadata that the service honours."""

import os
import re
from collections.abc import Iterable, Mapping
from contextvars import ContextVar

from speech_service.domain.call import Call
from speech_service.domain.errors import InvalidFieldError

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
PRIORITIES = ("interactive", "default", "batch")

current_call: ContextVar[Call] = ContextVar("current_call")


def make_call(full_method: str, rpc_type: str, metadata: Iterable[tuple[str, str | bytes]]) -> Call:
    """Read the metadata that the service honours.

    A malformed ``x-request-id`` or ``x-speech-priority`` leaves an ``InvalidFieldError`` in ``error``; a
    malformed ``traceparent`` is ignored, as W3C Trace Context demands.
    """
    values: Mapping[str, str | bytes] = dict(metadata)
    service, _, method = full_method.lstrip("/").partition("/")
    traceparent = str(values.get("traceparent", ""))
    call = Call(
        service,
        method,
        rpc_type,
        request_id=new_id(),
        session_id=new_id() if rpc_type == "bidi_stream" else "",
        traceparent=traceparent if traceparent and _TRACEPARENT.fullmatch(traceparent) else "",
    )
    given = values.get("x-request-id")
    if given is not None:
        if not _REQUEST_ID.fullmatch(str(given)):
            call.error = InvalidFieldError(
                "metadata.x-request-id", "is malformed", "1 to 128 of A-Z a-z 0-9 . _ : / + = -"
            )
            return call
        call.request_id = str(given)
    priority = str(values.get("x-speech-priority", call.priority))
    if priority not in PRIORITIES:
        call.error = InvalidFieldError(
            "metadata.x-speech-priority", "is unknown", ", ".join(PRIORITIES)
        )
        return call
    call.priority = priority
    return call


def new_id() -> str:
    """32 random hexadecimal digits."""
    return os.urandom(16).hex()
