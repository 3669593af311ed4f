"""How many lanes a device has. The only place that says so."""

import os
import sys


def lane_count(device: str, configured: int = 0) -> int:
    """Count the lanes of a model on a device: one for an accelerator, on the CPU one per core that we may use.

    An accelerator runs one batch after the other; a second lane would be a second copy of weights and caches.

    Args:
        device: where the model runs, "cpu", "cuda" or "cuda:1".
        configured: ``scheduler.lanes``, which is for CPU models; 0: not set.
    """
    if not device.startswith("cpu"):
        return 1
    if configured:
        return configured
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
