"""How many lanes a model has, and who shares them: the only place that says so. And what becomes of a lost device."""

import logging
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from speech_service.domain.errors import DeviceLostError

logger = logging.getLogger(__name__)

EXIT_DEVICE_LOST = 70
"""Status of a process that ended because a device of it was lost (``EX_SOFTWARE`` of sysexits.h)."""
_LAST_WORDS_S = 0.2
"""For the thread that writes the log."""


@dataclass(frozen=True, slots=True)
class LanePlan:
    """``count`` lanes for a model. ``shared_by`` names the device whose models all have that one lane; "": its own."""

    count: int
    shared_by: str = ""


def plan_lanes(device: str, configured: int = 0) -> LanePlan:
    """Plan the lanes of a model on a device.

    An accelerator has one lane, which all its models share: it runs one batch after the other, and a second lane
    would be a second copy of weights and caches. On the CPU each model has one per core that we may use.

    Args:
        device: where the model runs, "cpu", "cuda" or "cuda:1".
        configured: ``scheduler.lanes``, which is for CPU models; 0: not set.
    """
    if not device.startswith("cpu"):
        return LanePlan(1, device if ":" in device else f"{device}:0")
    if configured:
        return LanePlan(configured)
    return LanePlan(usable_cores())


def usable_cores() -> int:
    """How many cores this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def end_process(
    error: DeviceLostError, write_log: Callable[[], None] = lambda: time.sleep(_LAST_WORDS_S)
) -> NoReturn:
    """End this process at once: nothing that it holds of the device can be mended or given back.

    A worker's front end starts another and gives that the work that was not answered. Any thread.

    Args:
        error: what the device last said.
        write_log: returns when what was logged is written.
    """
    logger.critical("a device is lost, and this process ends: %s", error)
    write_log()
    os._exit(EXIT_DEVICE_LOST)
