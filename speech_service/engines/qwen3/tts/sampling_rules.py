"""How codes are drawn, as a request says it. Nothing here needs torch."""

from dataclasses import dataclass

MAX_TEMPERATURE = 5.0
MAX_PENALTY = 5.0


@dataclass(frozen=True, slots=True)
class Sampling:
    """Rules of one stream, checked. The defaults are those of the official package.

    Temperature 0 takes the likeliest code. ``top_k`` 0 and ``top_p`` 1 leave all codes in. The predictor's rules
    are for the 15 codes that follow the talker's in each frame.

    Raises:
        ValueError: from the constructor, for a value out of range.
    """

    temperature: float = 0.9
    top_k: int = 50
    top_p: float = 1.0
    repetition_penalty: float = 1.05
    predictor_temperature: float = 0.9
    predictor_top_k: int = 50
    predictor_top_p: float = 1.0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("temperature", 0.0, MAX_TEMPERATURE),
            ("predictor_temperature", 0.0, MAX_TEMPERATURE),
            ("top_k", 0, 2**31 - 1),
            ("predictor_top_k", 0, 2**31 - 1),
            ("repetition_penalty", 1.0 / MAX_PENALTY, MAX_PENALTY),
        ):
            value = getattr(self, name)
            if not low <= value <= high:  # NaN is in no range
                raise ValueError(f"{name} is {value}; it must be within {low:g} to {high:g}")
        for name in ("top_p", "predictor_top_p"):
            value = getattr(self, name)
            if not 0.0 < value <= 1.0:
                raise ValueError(f"{name} is {value}; it must be above 0 and at most 1")


GREEDY = Sampling(temperature=0.0, predictor_temperature=0.0)
"""The likeliest codes, with the release's repetition penalty."""
