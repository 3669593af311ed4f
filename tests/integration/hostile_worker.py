"""A worker whose fake recognizer obeys the context of the work: it dies of ``poison``, hangs on ``hang``, turns for
ever on ``spin``, does so inside a regular expression, which no other thread of it gets past, on ``regex``, and
computes for so many seconds of its own CPU time on ``burn=1.5``.
"""

import os
import re
import signal
import sys
import time
from collections.abc import Sequence

from speech_service.domain.work import RecognizeWork, Work, WorkEvent
from speech_service.engines.fake import recognizer as fake
from speech_service.engines.shared import SharedModels
from speech_service.protocols import Engine
from speech_service.worker.process import main


class HostileRecognizer(fake.FakeRecognizer):
    """Does what the context says, in the middle of a step."""

    def __init__(self, options: fake.FakeRecognizerOptions) -> None:
        super().__init__(options)
        self._orders: dict[str, str] = {}

    def admit(self, work: Work) -> None:
        """Take the work and note the order."""
        super().admit(work)
        assert isinstance(work, RecognizeWork)
        self._orders[work.work_id] = work.context

    def step(self) -> Sequence[WorkEvent]:
        """Obey."""
        if "poison" in self._orders.values():
            os.kill(os.getpid(), signal.SIGKILL)
        while "hang" in self._orders.values():
            time.sleep(1)
        while "spin" in self._orders.values():
            pass
        if "regex" in self._orders.values():
            re.match(r"(a+)+$", "a" * 64 + "b")
        for work_id, order in self._orders.items():
            _burn(order)
            self._orders[work_id] = ""
        events = super().step()
        for event in events:
            self._orders.pop(event.work_id, None)
        return events


def _burn(order: str) -> None:
    name, _, seconds = order.partition("=")
    if name == "burn":
        until_s = time.thread_time() + float(seconds)
        while time.thread_time() < until_s:
            pass


def build(options: fake.FakeRecognizerOptions, shared: SharedModels) -> Engine:
    """What the registry calls instead of the fake's own."""
    del shared
    return HostileRecognizer(options)


if __name__ == "__main__":
    fake.build = build
    sys.exit(main(sys.argv[1:]))
