"""Damaged containers, and an atheris target for the parsers that are ours.

``test_decode.py`` beside this file runs both in pytest. With atheris installed this file is a coverage-guided fuzzer:
``PYTHONPATH=. python tests/fuzz/fuzz_decode.py -max_total_time=600``.
"""

import contextlib
import socket
import sys
from functools import partial

from hypothesis import strategies as st

from speech_service.domain.errors import SpeechError
from speech_service.media.decode.sniff import identify
from speech_service.media.decode.sources import (
    GiveUpError,
    PipeReader,
    open_caf,
    open_mp4,
    skip_id3,
)
from speech_service.media.decode.wav import read_wav_header
from tests.unit.media.encode import KINDS, encoded


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A container with some bytes changed, cut out, doubled or cut off; mostly near its header."""
    data = bytearray(encoded(draw(st.sampled_from(KINDS)), 0.7))
    for _ in range(draw(st.integers(1, 6))):
        span = draw(st.sampled_from([64, 600, len(data)]))
        at = draw(st.integers(0, max(min(span, len(data)) - 1, 0)))
        size = draw(st.integers(1, 32))
        match draw(st.sampled_from(["set", "flip", "drop", "double", "cut", "max"])):
            case "set":
                data[at : at + size] = draw(st.binary(min_size=size, max_size=size))
            case "flip" if at < len(data):
                data[at] ^= 1 << draw(st.integers(0, 7))
            case "drop":
                del data[at : at + size]
            case "double":
                data[at:at] = data[at : at + size]
            case "max":
                data[at : at + 4] = b"\xff\xff\xff\xff"
            case _:
                del data[max(at, 1) :]
    return bytes(data)


def one_input(data: bytes) -> None:
    """Entry point for atheris: parsers that are ours, in this process."""
    for parse in (
        read_wav_header,
        skip_id3,
        *(partial(f, max_buffered_bytes=1 << 20) for f in (open_mp4, open_caf)),
    ):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.sendall(data[:60_000])
            ours.shutdown(socket.SHUT_WR)
            with contextlib.suppress(GiveUpError):
                parse(PipeReader(theirs, before_wait=lambda _: None))
    with contextlib.suppress(SpeechError):
        identify(data[:12], None, "audio")


if __name__ == "__main__":
    import atheris  # pyright: ignore[reportMissingModuleSource]

    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
