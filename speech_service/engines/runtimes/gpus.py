"""How many GPUs CUDA sees, asked of its driver. Nothing here needs torch.

The question initializes the driver, which takes memory and threads that a front end has no use for. So another process
asks: ``python -m speech_service.engines.runtimes.gpus`` prints the number.
"""

import ctypes
import logging
import subprocess
import sys

logger = logging.getLogger(__name__)

_TIMEOUT_S = 60.0
"""A driver that was not used since the machine started may take a while."""
_DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"


def count_gpus() -> int:
    """How many GPUs a process that we start would see; 0 where there is no driver, or it does not work."""
    command = (sys.executable, "-P", "-m", "speech_service.engines.runtimes.gpus")
    try:
        asked = subprocess.run(command, capture_output=True, timeout=_TIMEOUT_S, check=True)
        return int(asked.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        logger.warning("CUDA's driver does not say which GPUs there are (%s)", type(error).__name__)
        return 0


def gpus_of_the_driver() -> int:
    """How many GPUs the driver shows to this process. Initializes it."""
    try:
        driver = ctypes.CDLL(_DRIVER)
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


def gpu_memory_bytes() -> int:
    """Memory in use, by whomever, on the GPUs that this process sees; 0 while it does not use CUDA."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return 0
    free = [torch.cuda.mem_get_info(gpu) for gpu in range(torch.cuda.device_count())]
    return sum(total_bytes - free_bytes for free_bytes, total_bytes in free)


if __name__ == "__main__":
    print(gpus_of_the_driver())
