"""A worker whose fake recognizer obeys the context of the work: it dies of ``poison``, hangs on
``hang``.
"""

import os
import signal
import sys
import time
from collections.abc import Sequence

from speech_service.domain.work import RecognizeWork, Work, WorkEvent
from speech_service.engines.recognizers import fake
from speech_service.engines.shared import SharedModels
from speech_service.protocols import Engine
from speech_service.worker.process import main


class HostileRecognizer(fake.FakeRecognizer):
    """Does what the context says, in the middle of a step."""

    def __init__(self, options: fake.Options) -> None:
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
        events = super().step()
        for event in events:
            self._orders.pop(event.work_id, None)
        return events


def build(options: fake.Options, shared: SharedModels) -> Engine:
    """What the registry calls instead of the fake's own."""
    del shared
    return HostileRecognizer(options)


if __name__ == "__main__":
    fake.build = build
    sys.exit(main(sys.argv[1:]))
