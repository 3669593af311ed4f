"""Rules of subtitle cues, with the usual defaults."""

from dataclasses import dataclass

from speech_service.domain.errors import InvalidOptionError


@dataclass(frozen=True, slots=True)
class SubtitleRules:
    """Layout and timing of cues.

    Where not all can hold, in this order: cues neither overlap nor change order; no cue is longer than the longest; the
    gap; the shortest duration; the reading speed.
    """

    max_columns: int = 42
    """Widest line; a wide character takes two."""
    max_lines: int = 2
    min_duration_ms: int = 1_000
    max_duration_ms: int = 7_000
    min_gap_ms: int = 80
    max_cps: float = 21.0
    """Characters per second, line breaks counted as one."""

    def __post_init__(self) -> None:
        """Check the rules against each other.

        Raises:
            InvalidOptionError: a rule that nothing can keep; ``option`` is the name of the rule.
        """
        limits = {
            "max_columns": (self.max_columns, 8, 200),
            "max_lines": (self.max_lines, 1, 10),
            "min_duration": (self.min_duration_ms, 0, 60_000),
            "max_duration": (self.max_duration_ms, 500, 600_000),
            "min_gap": (self.min_gap_ms, 0, 5_000),
            "max_cps": (self.max_cps, 1, 1_000),
        }
        for name, (value, low, high) in limits.items():
            if not low <= value <= high:
                unit = " ms" if name.endswith(("duration", "gap")) else ""
                raise InvalidOptionError(name, "is out of range", f"{low} to {high}{unit}")
        if self.min_duration_ms > self.max_duration_ms:
            raise InvalidOptionError("min_duration", "is above max_duration")
