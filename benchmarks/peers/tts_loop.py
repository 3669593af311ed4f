"""The pipe's other end for synthesizers: one JSON object a line in, one out. Standard library only."""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Spoken:
    """What came of some texts. ``first_s`` is when the first audio of any was there, from the start."""

    first_s: float
    samples: Sequence[int]
    """Of each text."""


Speak = Callable[[Sequence[str], bool, bool], Spoken]
"""Speaks texts; whether codes are sampled (else greedy), and whether the texts go together (else in order)."""


def serve(load: Callable[[dict[str, Any]], Speak]) -> None:
    """Answer until the pipe closes. The first line configures ``load``."""
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what packages print, in Python or not, must not get into the pipe
    speak = load(json.loads(sys.stdin.readline()))
    print(json.dumps({"ready": True}), file=answer, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        begin_s, cpu_s = time.perf_counter(), time.process_time()
        spoken = speak(request["texts"], request["sample"], request["together"])
        result = {
            "wall_s": time.perf_counter() - begin_s,
            "cpu_s": time.process_time() - cpu_s,
            "first_s": spoken.first_s,
            "samples": list(spoken.samples),
        }
        print(json.dumps(result), file=answer, flush=True)
