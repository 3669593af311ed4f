"""Signals that must not end a process of the service."""

import signal

_HARMLESS = ("SIGHUP", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGPIPE")
_ENDING = ("SIGINT", "SIGTERM")


def ignore_harmless() -> None:
    """Ignore those whose default is to end a process though nobody meant that: a closed terminal, log rotation."""
    _ignore(_HARMLESS)


def leave_the_end_to_the_parent() -> None:
    """Ignore those, and the ones that ask for an end: they reach a whole group, and the front end drains with its
    children. A child ends when its front end closes the pipe or socket between them."""
    _ignore((*_HARMLESS, *_ENDING))


def _ignore(names: tuple[str, ...]) -> None:
    for name in names:
        number = getattr(signal, name, None)
        if number is not None:  # not every system has them all
            signal.signal(number, signal.SIG_IGN)
