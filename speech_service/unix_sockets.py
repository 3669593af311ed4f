"""Unix sockets: who may connect is decided by the mode of their file."""

import os
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def owner_only() -> Generator[None]:
    """What is created in the block is for this user alone (mode 0600), whatever the umask of the process is."""
    before = os.umask(0o177)
    try:
        yield
    finally:
        os.umask(before)
