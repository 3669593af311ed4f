"""When requests come: an open loop, whose arrivals do not wait for answers."""

import random
from itertools import accumulate


def poisson_s(rate_per_s: float, duration_s: float, seed: int) -> list[float]:
    """Times of a Poisson process within the duration, rising, in seconds from its start; the seed repeats it."""
    gaps = random.Random(seed)
    count = int(rate_per_s * duration_s * 2) + 20  # far more than may come
    times = accumulate(gaps.expovariate(rate_per_s) for _ in range(count))
    return [at_s for at_s in times if at_s < duration_s]
