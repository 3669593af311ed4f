"""The metadata that the service honours, and that it answers with."""

import re
import time
from collections.abc import Iterable, Mapping
from typing import Any

from grpc import aio

from speech_service.domain.call import Call, new_id
from speech_service.domain.errors import InvalidFieldError

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
PRIORITIES = ("interactive", "default", "batch")


class CallContext:
    """The context of one RPC, with its ``Call``. What gRPC gives a handler can hold nothing of ours."""

    def __init__(self, context: aio.ServicerContext[Any, Any], call: Call) -> None:
        self._context = context
        self.call = call

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)


def call_of(context: aio.ServicerContext[Any, Any]) -> Call:
    """The call that the interceptor made for a handler's context."""
    assert isinstance(context, CallContext), "the interceptor is before every handler"
    return context.call


def make_call(
    full_method: str,
    rpc_type: str,
    metadata: Iterable[tuple[str, str | bytes]],
    remaining_s: float | None = None,
) -> Call:
    """Read the metadata that the service honours. ``remaining_s``: until the deadline; None: there is none.

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
        deadline_s=None if remaining_s is None else time.monotonic() + remaining_s,
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


def trailers_of(call: Call) -> tuple[tuple[str, str], ...]:
    """Usage and latency of a call that ended well, for clients and meshes that look only there."""
    if call.usage is None or call.latency is None:
        return call.trailers
    value = call.latency
    stages = {
        "queue": value.queue_ms,
        "encode": value.encode_ms,
        "decode": value.decode_ms,
        "total": value.total_ms,
    }
    timing = ", ".join(f"{name};dur={ms:.1f}" for name, ms in stages.items())
    audio_ms = str(call.usage.audio_in_ms)
    return (("server-timing", timing), ("x-speech-audio-ms", audio_ms), *call.trailers)
