"""What several engines of one process use together."""

import threading
from collections.abc import Callable, Hashable
from typing import TypeVar, cast

T = TypeVar("T")


class SharedModels:
    """Loads each model once, however many lanes use it. May be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loaded: dict[Hashable, object] = {}

    def get(self, key: Hashable, load: Callable[[], T]) -> T:
        """The object of ``key``; ``load`` makes it for the first that asks."""
        with self._lock:
            if key not in self._loaded:
                self._loaded[key] = load()
            return cast(T, self._loaded[key])
