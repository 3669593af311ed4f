"""An observer for tests of who is admitted."""


class Counts:
    """Keeps the sum of each counter and the last value of each gauge, by name and labels."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, ...], float] = {}

    def count(self, name: str, value: float = 1.0, **labels: str) -> None:
        """As of ``Observer``."""
        key = (name, *labels.values())
        self.values[key] = self.values.get(key, 0) + value

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Nothing is observed here."""
        raise AssertionError(name)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """As of ``Observer``."""
        self.values[name, *labels.values()] = value
