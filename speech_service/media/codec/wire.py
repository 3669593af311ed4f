"""What the front end and the codec zygote say to each other. Standard library only.

One control socket, fixed little-endian records, no pickle: ``REQUEST`` down, a job socket attached to each OPEN
(SCM_RIGHTS); ``EXITED`` up, once per job. What goes over a job socket: ``decode_wire.py``, ``encode_wire.py``.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

REQUEST = struct.Struct("<BIBIdqqB")
"""op, job id, task, CPU seconds, CPU seconds per audio second, memory bytes, buffered bytes, channels
(Opus packets).
"""

EXITED = struct.Struct("<Iid")
"""Job id, wait status as of ``os.waitpid`` (``NOT_STARTED`` when the fork failed), CPU seconds used."""

NOT_STARTED = -1


class Op(IntEnum):
    """Requests to the zygote."""

    OPEN = 1
    KILL = 2


class Task(IntEnum):
    """What a child is for."""

    DECODE = 1
    ENCODE = 2


@dataclass(frozen=True, slots=True)
class ChildExit:
    """How a job ended: the wait status as of ``os.waitpid`` or ``NOT_STARTED``, and the CPU seconds it had used."""

    status: int
    cpu_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Order:
    """One job as the zygote hands it to the child."""

    job_id: int
    task: Task
    cpu_s: int
    cpu_s_per_audio_s: float
    memory_bytes: int
    buffered_bytes: int = 0
    channel_count: int = 1
