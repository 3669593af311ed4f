"""The pipe's other end: one JSON object a line in, one out. Standard library and numpy only."""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Transcribe = Callable[[np.ndarray], int]
"""Transcribes float32 [n] at 16 kHz; returns how many tokens it decoded."""
Arrive = Callable[[Sequence[np.ndarray], Sequence[float]], list[float]]
"""Serves clips that arrive at given seconds; returns when each was done, from the start."""


def serve(load: Callable[[dict[str, Any]], tuple[Transcribe, Arrive]]) -> None:
    """Answer until the pipe closes. The first line configures ``load``."""
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what packages print, in Python or not, must not get into the pipe
    transcribe, arrive = load(json.loads(sys.stdin.readline()))
    print(json.dumps({"ready": True}), file=answer, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        clips = [np.load(path) for path in request["clips"]]
        begin_s, cpu_s = time.perf_counter(), time.process_time()
        if "at_s" in request:
            result: dict[str, Any] = {"done_s": arrive(clips, request["at_s"])}
        else:
            result = {"tokens": [transcribe(clip) for clip in clips]}
        result["wall_s"] = time.perf_counter() - begin_s
        result["cpu_s"] = time.process_time() - cpu_s
        print(json.dumps(result), file=answer, flush=True)


def in_order(transcribe: Transcribe) -> Arrive:
    """Serve one after the other, as they come."""

    def arrive(clips: Sequence[np.ndarray], at_s: Sequence[float]) -> list[float]:
        begin_s = time.perf_counter()
        done: list[float] = []
        for clip, due_s in zip(clips, at_s, strict=True):
            time.sleep(max(0.0, due_s - (time.perf_counter() - begin_s)))
            transcribe(clip)
            done.append(time.perf_counter() - begin_s)
        return done

    return arrive
