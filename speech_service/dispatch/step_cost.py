"""What one of the items in a step costs its lane, were the lane full.

A step of ``n`` items takes about ``a + b * n``: ``a`` is paid once (weights are read, kernels start), ``b`` by each.
How busy a lane is says little of what it can still take: one that reads its weights for one sequence could read them
for sixty. So an item is charged what it would cost in a full step, ``a / max_batch + b``. ``a`` and ``b`` are least
squares over the last steps, with a ridge towards ``a = 0``: until steps of several sizes were seen, nothing is gained
by company, and the charge is the item's even share of the step. Where a lane takes one item it is the whole step.
"""

_KEEP = 0.99
"""Of the weight of a step, with each one after it: the last hundred count."""
_RIDGE = 10.0
"""Evidence, in steps that differ by one item, that outweighs the assumption that company costs as much as it brings."""
_OUTLIER = 4.0
"""A step that takes longer than so many times what was expected of it counts as that: it compiled, or the machine stood
still."""


class StepCost:
    """Of one engine. Pure; its lane's thread owns it."""

    def __init__(self, max_batch: int) -> None:
        self._max_batch = max(1, max_batch)
        self._weight = 0.0
        self._items = 0.0
        self._seconds = 0.0
        self._items_squared = 0.0
        self._items_seconds = 0.0

    def charge_s(self, elapsed_s: float, items: int) -> float:
        """Take note of a step of ``items`` (1 or more), and give the seconds that each of them is charged.

        Never more than an even share of the step.
        """
        even_s = elapsed_s / items
        once_s, each_s = self._line()
        expected_s = once_s + each_s * items
        self._note(min(elapsed_s, _OUTLIER * expected_s) if expected_s > 0 else elapsed_s, items)
        once_s, each_s = self._line()
        here_s = once_s / items + each_s
        if here_s <= 0:
            return even_s
        return even_s * (once_s / max(self._max_batch, items) + each_s) / here_s

    def _line(self) -> tuple[float, float]:
        """What a step takes once, and for each item; both at least 0."""
        if self._weight <= 0:
            return 0.0, 0.0
        mean_items, mean_s = self._items / self._weight, self._seconds / self._weight
        spread = max(0.0, self._items_squared / self._weight - mean_items**2)
        joint = self._items_seconds / self._weight - mean_items * mean_s
        alone = mean_s / mean_items
        ridge = _RIDGE / self._weight
        each_s = min(alone, max(0.0, (joint + ridge * alone) / (spread + ridge)))
        return mean_s - each_s * mean_items, each_s

    def _note(self, elapsed_s: float, items: int) -> None:
        self._weight = self._weight * _KEEP + 1
        self._items = self._items * _KEEP + items
        self._seconds = self._seconds * _KEEP + elapsed_s
        self._items_squared = self._items_squared * _KEEP + items * items
        self._items_seconds = self._items_seconds * _KEEP + items * elapsed_s
