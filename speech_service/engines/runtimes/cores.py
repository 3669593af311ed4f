"""CPU cores that an operator names. Nothing here needs torch."""

import os
import re
from pathlib import Path

from speech_service.config.tree import ConfigError

_NODES = Path("/sys/devices/system/node")
_NODE = re.compile(r"node:(\d+)")
_LIST = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*")


def parse_cores(text: str) -> frozenset[int]:
    """Cores of an option: a list as in "0-3,8", or "node:1" for all of a NUMA node; empty: any.

    Raises:
        ConfigError: it is neither, or names a core that this process may not use.
    """
    if not text:
        return frozenset()
    if not hasattr(os, "sched_setaffinity"):
        raise ConfigError("cores: this system cannot bind threads to cores; leave it empty")
    node = _NODE.fullmatch(text)
    cores = _listed(_node_cores(node[1]) if node else text)
    missing = cores - os.sched_getaffinity(0)
    if missing:
        raise ConfigError(
            f"cores: {text!r} names cores that this process may not use: {', '.join(map(str, sorted(missing)))}"
        )
    return cores


def _node_cores(node: str) -> str:
    try:
        return (_NODES / f"node{node}" / "cpulist").read_text().strip()
    except OSError as error:
        raise ConfigError(f"cores: this machine has no NUMA node {node}") from error


def _listed(text: str) -> frozenset[int]:
    if not _LIST.fullmatch(text):
        raise ConfigError(f'cores: {text!r} is neither a list as in "0-3,8" nor "node:NUMBER"')
    cores: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        cores.update(range(int(first), int(last or first) + 1))
    return frozenset(cores)
