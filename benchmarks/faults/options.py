"""What the rows of ``python -m benchmarks faults`` are told, and the shape of what they answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypedDict

from benchmarks.stats import Figure


@dataclass(frozen=True, slots=True)
class Options:
    """How much is measured."""

    repeats: int = 3
    quick: bool = False
    """A smoke test: as little as shows that the row works."""


HARM = ("errors", "lost", "doubled", "different")


@dataclass(slots=True)
class Harm:
    """What came of streams that were not to notice anything: the numbers that ``HARM`` names, and what was said."""

    errors: int = 0
    lost: int = 0
    """FINALs that a stream lacked."""
    doubled: int = 0
    different: int = 0
    """Texts, sounds, numbers or times that were not what they should be."""
    problems: list[str] = field(default_factory=list[str])


class Result(TypedDict):
    """What a row found; JSON can hold it."""

    figures: list[dict[str, Any]]
    """Headline figures, each as :func:`figure_row` makes it."""
    settings: Mapping[str, Any]
    """What a reader must know to compare them."""
    detail: Mapping[str, Any]
    """Everything else that was recorded; the plot may draw from it."""


class Row(Protocol):
    """A module of this package: ``NAME``, ``run`` and ``plot``."""

    NAME: str
    """Title of the row, unique among the rows."""

    async def run(self, options: Options) -> Result:
        """Start what is measured, measure it, stop it."""
        ...

    def plot(self, axes: Any, result: Result) -> None:
        """Draw the result on matplotlib axes; the title is the frame's."""
        ...


def figure_row(
    name: str,
    unit: str,
    values: Sequence[float],
    target: float | None = None,
    better: str = "lower",
) -> dict[str, Any]:
    """A figure with a value for each repeat, its median and spread, as it goes into the results file."""
    return Figure(name, unit, values, target, better).row()
