"""The page of errors and warnings, from the tables of reasons and of errors on the wire."""

from speech_service.domain.errors import SpeechError
from speech_service.domain.reasons import ERRORS, ErrorReason
from speech_service.domain.warning_reasons import WARNINGS
from speech_service.edge.status import TABLE, WireError
from tools.docs.text import heading_row, row

HEAD = """\
# Errors and warnings

<!-- Written by `make docs` from speech_service/domain/reasons.py, warning_reasons.py and edge/status.py. -->

Every error of the service is a canonical gRPC code with a `google.rpc.Status` in the trailer
`grpc-status-details-bin`. It always holds an `ErrorInfo` of the domain `speech.v1`: `reason` is for programs and
stable across releases, `metadata` has `request_id` and the figures of the message. By code it also holds:

- INVALID_ARGUMENT: `BadRequest` with the path of the field, what is wrong with it and what is allowed;
- NOT_FOUND, ALREADY_EXISTS: `ResourceInfo` with the kind and name of what is missing or there already;
- FAILED_PRECONDITION: `PreconditionFailure` with what is not in the state that the request needs;
- RESOURCE_EXHAUSTED, UNAVAILABLE: `RetryInfo` with how long to wait before the next try.

An error with `RetryInfo` has the trailer `grpc-retry-pushback-ms` as well. A wrong control message of a stream ends
nothing: its acknowledgement has the reason and the field. An error without `ErrorInfo` is not of the service but of
gRPC or the network: UNAVAILABLE where nobody answers, RESOURCE_EXHAUSTED for a message above `server.max_message_bytes`
or where HTTP/2 itself refuses a call, UNIMPLEMENTED for a method that the server does not have.
"""
WARNING_HEAD = """\
## Warnings

A `Warning` says what the client should know and ends nothing. `field` names the request field concerned, where there
is one.
"""


def page() -> str:
    """Give the whole page."""
    parts = [HEAD]
    for title, reasons in ERRORS.items():
        lines = [_error_row(reason) for reason in sorted(reasons, key=lambda each: each.name)]
        columns = heading_row("reason", "gRPC code", "where", "meaning", "again?", "what to do")
        parts.append("\n".join([f"## {title}\n", columns, *lines]) + "\n")
    lines = [
        row(f"`{each.name}`", each.where, each.meaning, each.remedy)
        for each in sorted(WARNINGS, key=lambda each: each.name)
    ]
    parts.append(
        "\n".join([WARNING_HEAD, heading_row("reason", "where", "meaning", "what to do"), *lines])
        + "\n"
    )
    return "\n".join(parts)


def wire_of(kind: type[SpeechError]) -> WireError:
    """Give how errors of a class look on the wire."""
    return next(wire for entry, wire in TABLE if issubclass(kind, entry))


def _error_row(reason: ErrorReason) -> str:
    return row(
        f"`{reason.name}`",
        wire_of(reason.error).code.name,
        reason.where,
        reason.meaning,
        reason.retry,
        reason.remedy,
    )
