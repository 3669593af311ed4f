"""What memory the service's processes start with. Much of it only a starting process can be told."""

import os
import sys
from typing import Any, cast

from speech_service.config.tree import child_environment

HEAP_ENVIRONMENT = {
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1:glibc.malloc.arena_max=1",
    "PYTHONMALLOC": "malloc",
}
"""One heap for all threads and for Python's objects, on pages of 2 MiB where the system has them to give. A live stream
lets processes sleep many times a second; after each pause a processor finds a few large pages sooner than thousands of
small ones. A decoder reads all its weights at every step. Another C library than glibc ignores the first setting."""


def restart_with_heap() -> None:
    """Begin this process again, same command, same process id, if its heap is not set up; else return.

    What an operator has set stays. Returns, too, in a program that calls ``serve`` rather than being it.
    """
    environment = child_environment(HEAP_ENVIRONMENT)
    is_serve = "serve" in sys.orig_argv
    if sys.platform == "linux" and is_serve and environment != child_environment({}):
        command = [sys.executable, *sys.orig_argv[1:]]
        os.execve(sys.executable, command, environment)  # noqa: S606 - our own command line, again


def import_asyncio_without_tls() -> None:
    """Import asyncio as Python does where it was built without TLS, which costs 5 MB less.

    For processes whose TLS is that of gRPC. Whoever imports ``ssl`` later gets it; asyncio's own connections cannot
    have it in this process. Does nothing where asyncio is there already.
    """
    if "asyncio" in sys.modules or "ssl" in sys.modules:
        return
    sys.modules["ssl"] = cast(Any, None)  # the documented way to make an import fail
    try:
        import asyncio as asyncio
    finally:
        del sys.modules["ssl"]
