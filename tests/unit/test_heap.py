"""asyncio without its TLS: in a process of its own, since this one has imported everything."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.unit

SCRIPT = """
import sys
from speech_service.heap import import_asyncio_without_tls, restart_with_heap

restart_with_heap()
import_asyncio_without_tls()
assert "asyncio" in sys.modules and "ssl" not in sys.modules
import ssl, asyncio

assert ssl.create_default_context() is not None, "others get it"
asyncio.run(asyncio.sleep(0))
before = sys.modules["ssl"]
import_asyncio_without_tls()
assert sys.modules["ssl"] is before, "what is there stays"
print("ran to its end")
"""


def test_asyncio_does_without_ssl_and_others_have_it() -> None:
    """And a program that is not ``serve`` is not begun again."""
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "ran to its end", done.stderr
