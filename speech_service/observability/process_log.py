"""The log of a process: its form and level, its output, and what libraries and children print beside it."""

import sys
import threading
from types import TracebackType
from typing import Any

from loguru import logger

from speech_service.config.tree import ObservabilityConfig
from speech_service.observability.log_output import LogOutput, StandardStreams, say
from speech_service.observability.logging import configure, is_json_line, json_line


class ProcessLog:
    """Owns the standard streams of a process from ``__init__`` to ``close``; nothing that logs or prints waits.

    A worker has its standard error from the front end, which reads it always, so only a front end captures
    (``capture``) what is printed without the log: lines of libraries become records, where records are JSON.
    """

    def __init__(self, config: ObservabilityConfig, *, capture: bool) -> None:
        self._is_json = config.log_format == "json"
        self._streams = StandardStreams() if capture else None
        self.output = LogOutput(self._streams.errors if self._streams else 2, self._missing)
        configure(config, self.output.put)
        sys.excepthook = _uncaught
        threading.excepthook = _uncaught_in_thread
        if self._streams is not None:
            self._streams.forward(self._foreign)

    def change(self, config: ObservabilityConfig) -> None:
        """Take another level. The form stays: what reads the log knows it."""
        same_form = "json" if self._is_json else "text"
        configure(
            ObservabilityConfig(log_level=config.log_level, log_format=same_form), self.output.put
        )

    def announce(self, message: str, **fields: object) -> None:
        """Write the one line on standard output, for scripts: ``message key=value ...``, or a JSON record."""
        if self._is_json:
            line = json_line("INFO", __name__, message, **fields)
        else:
            line = " ".join([message, *(f"{key}={value}" for key, value in fields.items())]) + "\n"
        say(self._streams.output if self._streams is not None else 1, line)

    def close(self) -> None:
        """Write out what waits and give the streams back."""
        if self._streams is not None:
            self._streams.restore()
        self.output.close()
        configure(ObservabilityConfig())

    def _foreign(self, line: str) -> None:
        if self._is_json and not is_json_line(line):
            self.output.put(json_line("WARNING", "stderr", line))
        else:
            self.output.put(line + "\n")

    def _missing(self, count: int) -> str:
        message = "log lines were dropped: nobody read them, or the disk was full"
        if self._is_json:
            return json_line("WARNING", __name__, message, dropped=count)
        return f"WARNING {message} dropped={count}\n"


def _uncaught(kind: type[BaseException], error: BaseException, stack: TracebackType | None) -> None:
    logger.opt(exception=(kind, error, stack)).critical("the process ends: {}", kind.__name__)


def _uncaught_in_thread(args: Any) -> None:
    error = (args.exc_type, args.exc_value, args.exc_traceback)
    logger.opt(exception=error).error("a thread ended: {}", args.exc_type.__name__)
