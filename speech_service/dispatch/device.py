"""How many lanes a model has, and who shares them. The only place that says so."""

import os
import sys
from dataclasses import dataclass


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
