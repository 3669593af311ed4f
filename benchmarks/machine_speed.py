"""How fast one core of this machine is right now, for figures in seconds of processor time.

The name of a processor does not tell: machines of one name differ by two, and a core whose other thread a neighbour
uses gives half of what it gave an hour before. Both measures take about a tenth of a second.
"""

import time
from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_limits

_SIDE = 300
_PRODUCTS, _STEPS, _TRIES = 40, 300_000, 5


def core_speed() -> dict[str, float]:
    """The best of a few tries.

    Returns:
        ``float32_gflops``: products of float32 matrices [300, 300], one thread; multiplying and adding count as two.
        ``python_steps_per_us``: additions of a plain loop in Python.
    """
    matrix = np.random.default_rng(0).random((_SIDE, _SIDE), np.float32)
    product = np.empty_like(matrix)

    def products() -> None:
        for _ in range(_PRODUCTS):
            np.matmul(matrix, matrix, out=product)

    def steps() -> None:
        total = 0
        for number in range(_STEPS):
            total += number

    with threadpool_limits(1, user_api="blas"):
        products_s = min(_seconds(products) for _ in range(_TRIES))
    steps_s = min(_seconds(steps) for _ in range(_TRIES))
    return {
        "float32_gflops": round(2 * _SIDE**3 * _PRODUCTS / products_s / 1e9, 1),
        "python_steps_per_us": round(_STEPS / steps_s / 1e6, 1),
    }


def _seconds(work: Callable[[], None]) -> float:
    begin_s = time.perf_counter()
    work()
    return time.perf_counter() - begin_s
