"""Tasks that must not end by an exception: who supervises others has nobody who would notice."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

logger = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.05
MAX_PAUSE_S = 5.0


def keep(run: Callable[[], Coroutine[Any, Any, None]], name: str) -> "asyncio.Task[None]":
    """Run ``run()`` as a task that starts it again whenever it ends by an exception, after a pause that grows.

    Each such end is logged. The task ends when ``run()`` returns, or when the task is cancelled.
    """
    return asyncio.create_task(_keep(run, name), name=name)


def log_failure(task: "asyncio.Task[Any]") -> None:
    """A done callback that logs how a task failed which nobody waits for."""
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("the task %s failed", task.get_name(), exc_info=error)


async def _keep(run: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
    loop = asyncio.get_running_loop()
    pause_s = FIRST_PAUSE_S
    while True:
        started_s = loop.time()
        try:
            return await run()
        except Exception:
            logger.exception("%s failed; it is started again in %.2f s", name, pause_s)
        await asyncio.sleep(pause_s)
        lasted = loop.time() - started_s > 2 * MAX_PAUSE_S
        pause_s = FIRST_PAUSE_S if lasted else min(MAX_PAUSE_S, 2 * pause_s)
