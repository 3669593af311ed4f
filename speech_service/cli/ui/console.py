"""The terminal as every command sees it."""

from rich.console import Console

_LEAST_WIDTH = 20
"""A terminal that says it is narrower is not believed: nothing could be read on it."""


def terminal(*, stderr: bool = False) -> Console:
    """Give a console that shows text as it is: nothing in it is markup, nothing is coloured for being a number."""
    console = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if console.width < _LEAST_WIDTH:
        console.width = _LEAST_WIDTH
    return console
