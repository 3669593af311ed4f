"""What keywords a method takes: a typed dictionary says it, and a caller without a type checker is told at once."""

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints


def check_options(options: Mapping[str, Any], kind: type) -> None:
    """Check a caller's keywords against the typed dictionary that describes them.

    Raises:
        TypeError: an option is unknown; as of any function, none is ignored.
        ValueError: a value is none of those that the option has.
    """
    choices = _choices(kind)
    for name, value in options.items():
        if name not in choices:
            near = get_close_matches(name, choices, n=1)
            meant = f" (did you mean {near[0]!r}?)" if near else ""
            raise TypeError(f"unknown option {name!r}{meant}: there are {', '.join(choices)}")
        if choices[name] and value not in choices[name]:
            allowed = ", ".join(map(repr, choices[name]))
            raise ValueError(f"{name}: {value!r} is none of {allowed}")


@cache
def _choices(kind: type) -> Mapping[str, tuple[object, ...]]:
    """The options, and of those that are one of a few words, which."""
    hints = get_type_hints(kind)
    return {name: get_args(of) if get_origin(of) is Literal else () for name, of in hints.items()}
