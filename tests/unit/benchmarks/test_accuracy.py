"""What is done to the samples is inaudible, and the same for every build that is compared."""

import numpy as np

from benchmarks.accuracy import dithered

LOUDEST = np.array([-32_768, 32_767, 0, 5] * 100, np.int16)


def test_noise_of_one_bit_stays_in_range() -> None:
    shaken = np.frombuffer(dithered(LOUDEST.tobytes(), np.random.default_rng(0)), np.int16)
    changes = shaken.astype(np.int32) - LOUDEST
    assert set(changes.tolist()) == {-1, 0, 1}


def test_a_draw_is_the_same_every_time() -> None:
    once, again, other = (
        dithered(LOUDEST.tobytes(), np.random.default_rng(draw)) for draw in (1, 1, 2)
    )
    assert once == again != other
