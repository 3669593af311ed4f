"""loguru, as text or JSON lines, and one access line per RPC.

Transcripts, audio and client text never reach a record above DEBUG: access lines carry counts and times only.
Records of the standard library's ``logging`` (gRPC's, a worker's) go the same way.
"""

import logging
import sys
from typing import TYPE_CHECKING

from loguru import logger

from speech_service.config import ObservabilityConfig
from speech_service.domain.call import Call

if TYPE_CHECKING:
    from loguru import Record


class _ToLoguru(logging.Handler):
    """Hands records of the standard library on."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log it under its own name and level."""
        level = record.levelname if record.levelname in _LEVELS else "INFO"
        logger.bind(logger=record.name).opt(exception=record.exc_info).log(
            level, "{}", record.getMessage()
        )


_LEVELS = frozenset({"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"})


def configure(config: ObservabilityConfig) -> None:
    """Send records to standard error in the configured form."""
    logger.remove()
    serialize = config.log_format == "json"
    logger.add(
        sys.stderr,
        level=config.log_level,
        format=_text,
        serialize=serialize,
        backtrace=False,
        diagnose=False,  # values of variables would put transcripts into the log
    )
    logging.basicConfig(handlers=[_ToLoguru()], level=logging.INFO, force=True)


def _text(record: "Record") -> str:
    """``time level message key=value ...``; loguru fills the template in."""
    fields = "".join(f" {name}={{extra[{name}]}}" for name in record["extra"])
    return "{time:HH:mm:ss.SSS} {level: <7} {message}" + fields + "\n{exception}"


class AccessLog:
    """Call observer that logs each RPC once, when it ends, with where its time went."""

    def call_started(self, call: Call) -> None:
        """Nothing to say yet."""

    def call_ended(self, call: Call, code: str) -> None:
        """Log the call."""
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
        fields |= {"received": call.received, "sent": call.sent, "request_id": call.request_id}
        if call.session_id:
            fields["session_id"] = call.session_id
        if call.model:
            fields["model"] = call.model
        level = "ERROR" if code == "INTERNAL" else "INFO"
        logger.bind(**fields).log(level, "rpc")
