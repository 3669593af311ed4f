"""loguru, as text or flat JSON lines, and one access line per RPC.

Transcripts, audio and client text never reach a record above DEBUG: access lines carry counts and times only.
Records of the standard library's ``logging`` (gRPC's, a worker's) and its warnings go the same way.

A JSON line has ``time`` (RFC 3339, UTC), ``level``, ``message``, ``logger`` and, while an RPC with a trace is served,
``trace_id`` and ``span_id``; the fields of the record follow beside them.
"""

import json
import logging
import sys
import traceback
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from loguru import logger

from speech_service.config.tree import ObservabilityConfig
from speech_service.domain.call import Call

if TYPE_CHECKING:
    from loguru import Message, Record

Put = Callable[[str], object]

MAX_TEXT_CHARACTERS = 4_000
"""Most characters of a message or a stack in a JSON line."""
_LEVELS = frozenset({"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"})
_NAME = "logger"
_ADMIN = "speech.admin."
_span: ContextVar[str] = ContextVar("span", default="")
"""W3C traceparent of the RPC that runs here."""


class _ToLoguru(logging.Handler):
    """Hands records of the standard library on."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log it under its own name and level."""
        level = record.levelname if record.levelname in _LEVELS else "INFO"
        named = logger.bind(**{_NAME: record.name})
        named.opt(exception=record.exc_info).log(level, "{}", record.getMessage())


def configure(config: ObservabilityConfig, put: Put | None = None) -> None:
    """Send records to ``put`` in the configured form; without it, to standard error. Again: to change level or form."""
    write = put or _to_standard_error
    is_json = config.log_format == "json"

    def to_json(message: "Message") -> None:
        write(_json_of(message.record))

    def to_text(message: "Message") -> None:
        write(str(message))

    logger.remove()
    logger.add(
        to_json if is_json else to_text,
        level=config.log_level,
        format=_text,
        colorize=False,
        backtrace=False,
        diagnose=False,  # values of variables would put transcripts into the log
    )
    logging.basicConfig(handlers=[_ToLoguru()], level=logging.INFO, force=True)
    logging.captureWarnings(capture=True)


def json_line(level: str, name: str, message: str, **fields: object) -> str:
    """Write a record of that form that does not come from loguru. Fields named like its own get an underscore."""
    return _line(datetime.now(UTC), level, message, name, fields)


def is_json_line(line: str) -> bool:
    """Whether another process of ours wrote it, in the form of this module."""
    try:
        record: object = json.loads(line)
    except ValueError:
        return False
    return isinstance(record, dict) and {"time", "level", "message"} <= record.keys()


def _to_standard_error(line: str) -> None:
    sys.stderr.write(line)


def _text(record: "Record") -> str:
    """Give ``time level message key=value ...``; loguru fills the template in."""
    fields = "".join(f" {name}={{extra[{name}]}}" for name in record["extra"])
    return "{time:HH:mm:ss.SSS} {level: <7} {message}" + fields + "\n{exception}"


def _json_of(record: "Record") -> str:
    fields = dict(record["extra"])
    name = str(fields.pop(_NAME, record["name"]))
    error = record["exception"]
    if error is not None:
        stack = traceback.format_exception(error.type, error.value, error.traceback)
        fields["exception"] = "".join(stack)[-MAX_TEXT_CHARACTERS:]
    at = record["time"].astimezone(UTC)
    return _line(at, record["level"].name, record["message"], name, fields)


def _line(at: datetime, level: str, message: str, name: str, fields: Mapping[str, object]) -> str:
    line: dict[str, object] = {
        "time": at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "level": level,
        "message": message[:MAX_TEXT_CHARACTERS],
        _NAME: name,
    }
    traceparent = _span.get()
    if traceparent:
        _, line["trace_id"], line["span_id"], _ = traceparent.split("-")
    for key, value in fields.items():
        plain = value if isinstance(value, str | int | float | bool | None) else str(value)
        line[f"{key}_" if key in line else key] = plain
    return json.dumps(line, ensure_ascii=False) + "\n"


class AccessLog:
    """Call observer that logs each RPC once, when it ends, with where its time went."""

    def call_started(self, call: Call) -> None:
        """Let what is logged from here on, in the task of the call and those it starts, belong to its trace."""
        _span.set(call.traceparent)

    def call_ended(self, call: Call, code: str) -> None:
        """Write the line of a call that ended."""
        fields: dict[str, object] = {
            "method": call.name,
            "code": code,
            "total_ms": round(call.elapsed_s() * 1000, 1),
        }
        if call.error is not None:
            fields["reason"] = call.error.reason
        if call.latency is not None:
            fields["queue_ms"] = round(call.latency.queue_ms, 1)
            fields["encode_ms"] = round(call.latency.encode_ms, 1)
            fields["decode_ms"] = round(call.latency.decode_ms, 1)
        if call.usage is not None:
            fields["audio_ms"] = call.usage.audio_in_ms
        if call.principal.tenant:
            fields |= {"tenant": call.principal.tenant, "subject": call.principal.subject}
        fields |= {"received": call.received, "sent": call.sent, "request_id": call.request_id}
        if call.session_id:
            fields["session_id"] = call.session_id
        if call.resumed_session_id:
            fields["resumed_session_id"] = call.resumed_session_id
        if call.model:
            fields["model"] = call.model
        level = "ERROR" if code == "INTERNAL" else "INFO"
        logger.bind(**fields).log(level, "rpc")


class AuditLog:
    """Call observer that logs each call of an operator: who did what, and what came of it.

    Callers that are refused have lines of their own (``edge/auth/refusals.py``).
    """

    def call_started(self, call: Call) -> None:
        """Nothing has been done yet."""

    def call_ended(self, call: Call, code: str) -> None:
        """Write the line of an admin call."""
        if call.service.startswith(_ADMIN):
            logger.bind(
                event="admin_call",
                method=call.name,
                code=code,
                peer=call.peer,
                tenant=call.principal.tenant,
                subject=call.principal.subject,
                request_id=call.request_id,
            ).info("audit")
