"""CPU time and memory of a process and everything below it, read from /proc."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

import psutil

MB = 1_000_000


@dataclass(frozen=True, slots=True)
class TreeCpu:
    """CPU seconds since the processes started."""

    root_s: float
    """The process itself."""
    total_s: float
    """With its children, those that ended (and were waited for) included."""

    def __sub__(self, earlier: "TreeCpu") -> "TreeCpu":
        return TreeCpu(self.root_s - earlier.root_s, self.total_s - earlier.total_s)


@dataclass(frozen=True, slots=True)
class TreeMemory:
    """Memory in MB (10^6 bytes). PSS divides shared pages among their users, so only PSS may be summed exactly."""

    root_rss: float
    root_pss: float
    total_rss: float
    total_pss: float
    processes: int


def cpu(pid: int) -> TreeCpu:
    """CPU time of ``pid`` and all below it. Resolution: one clock tick (10 ms) per process."""
    root, total = 0.0, 0.0
    for process in _tree(pid):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            times = process.cpu_times()
            own = times.user + times.system
            total += own + times.children_user + times.children_system
            if process.pid == pid:
                root = own
    return TreeCpu(root, total)


def memory(pid: int) -> TreeMemory:
    """Memory of ``pid`` and all below it."""
    root_rss = root_pss = total_rss = total_pss = 0.0
    processes = 0
    for process in _tree(pid):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            info = process.memory_full_info()
            rss, pss = info.rss / MB, info.pss / MB
            total_rss, total_pss, processes = total_rss + rss, total_pss + pss, processes + 1
            if process.pid == pid:
                root_rss, root_pss = rss, pss
    return TreeMemory(
        root_rss=round(root_rss, 2),
        root_pss=round(root_pss, 2),
        total_rss=round(total_rss, 2),
        total_pss=round(total_pss, 2),
        processes=processes,
    )


def children(pid: int) -> list[str]:
    """Command lines of what runs below ``pid``, for the record; of a path only its last part."""
    lines: list[str] = []
    for process in _tree(pid):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            if process.pid != pid:
                words = [Path(word).name if word[:1] == "/" else word for word in process.cmdline()]
                lines.append(" ".join(words) or process.name())
    return lines


@dataclass(frozen=True, slots=True)
class MachineCpu:
    """CPU seconds of the whole machine since boot, and of this process with all its children."""

    busy_s: float
    steal_s: float
    own_s: float
    wall_s: float


def machine_cpu(wall_s: float, extra_own_s: float = 0.0) -> MachineCpu:
    """A reading; two of them tell how much of the machine others used meanwhile."""
    times = psutil.cpu_times()
    steal = getattr(times, "steal", 0.0)
    busy = times.user + times.system + getattr(times, "irq", 0.0) + getattr(times, "softirq", 0.0)
    busy += times.nice
    own = cpu(psutil.Process().pid).total_s + extra_own_s
    return MachineCpu(busy, steal, own, wall_s)


def _tree(pid: int) -> list[psutil.Process]:
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
