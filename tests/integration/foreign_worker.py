"""A worker that does not fit its front end; its first argument says in what."""

import argparse
import socket
import sys

from speech_service.dispatch.workers import messages
from speech_service.worker.process import main


def speak(said: bytes) -> int:
    """Hear the greeting of the front end, say something else than one, and wait for the end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", type=int)
    handed, _ = parser.parse_known_args()
    with socket.socket(fileno=handed.socket) as connection:
        connection.recv(1)
        connection.sendall(said)
        while connection.recv(1 << 16):
            pass
    return 0


def run(foreign: str) -> int:
    """Be the worker."""
    plain = messages.encode_hello
    match foreign:
        case "protocol":
            messages.encode_hello = lambda models: plain(models).replace(b"Hello\x01", b"Hello\x63")
        case "schema":
            wrong = b"0123456789abcdef"
            messages.encode_hello = lambda models: plain(models).replace(
                messages.schema().encode(), wrong
            )
        case "model":
            messages.encode_hello = lambda models: plain(())
        case "words":
            return speak(b"\x03\0\0\0abc")
        case _:
            return speak(b"HTTP/1.1 200 OK\r\n")
    return main(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(run(sys.argv[1]))
