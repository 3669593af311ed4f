"""What a benchmark records of processes."""

import os
import subprocess
import sys

import pytest

from benchmarks import procstat

pytestmark = pytest.mark.unit


def test_no_folder_of_this_machine_gets_into_a_record() -> None:
    # The child says that it runs, so that its command line is not read before it has one.
    command = [sys.executable, "-c", "print(flush=True); input()", "/a/folder/of/somebody/file"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        lines = procstat.children(os.getpid())
        child.communicate(b"\n")
    (line,) = [line for line in lines if "input()" in line]
    assert line.endswith(" file")
    assert not any("/" in word for word in line.split())
