"""What contract suites of different kinds of backends have in common."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import HTTPServer

from speech_service.domain.work import Work, WorkEvent
from speech_service.protocols import Engine

_MAX_STEPS = 500


def run_to_end(engine: Engine, items: Sequence[Work]) -> dict[str, WorkEvent]:
    """Run work that has one event an item, never admitting more than the engine allows."""
    waiting, events = list(items), dict[str, WorkEvent]()
    admitted = 0
    for _ in range(_MAX_STEPS):
        while waiting and admitted < engine.capabilities.max_batch:
            engine.admit(waiting.pop(0))
            admitted += 1
        for event in engine.step():
            assert event.work_id not in events, "one terminal event per item"
            events[event.work_id] = event
            admitted -= 1
        if not waiting and not admitted:
            return events
    raise AssertionError("the engine never ends")


@contextmanager
def answering(http: HTTPServer) -> Iterator[None]:
    """Serve in a thread until the block ends."""
    thread = threading.Thread(
        target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
