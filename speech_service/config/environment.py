"""The environment of this process and of its children. The only module that reads or changes it."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Mapping
from types import MappingProxyType

ENV_SERVER = "SPEECH_SERVER"
"""Address that the client commands call where ``--server`` does not say; no setting of the service."""
ENV_ADMIN_SERVER = "SPEECH_ADMIN_SERVER"
"""Address of the admin port for operators' commands, where ``--server`` does not say; no setting of the service."""
ENV_API_KEY = "SPEECH_API_KEY"
"""Key of client commands where neither ``--api-key-file`` nor ``--token-file`` is given; no setting of the service."""
_ANY_ADDRESS = ("", "0.0.0.0", "[::]", "::", "*")  # noqa: S104 - compared with, never bound

LIBRARY_ENVIRONMENT: Mapping[str, str] = {
    "ORT_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
}
"""Switches off what libraries would tell their makers. onnxruntime reads its variable once, when it is loaded; the call
of its API that should do the same comes too late. A user who wants it sets the variable before the start."""

SERVER_ENVIRONMENT: Mapping[str, str] = {
    # A TLS 1.2 handshake finds no cipher that it may use, since this one needs a key that both share; those
    # of TLS 1.3 are not named here. Python's gRPC has no option for the version.
    "GRPC_SSL_CIPHER_SUITES": "ECDHE-PSK-AES128-CBC-SHA",
    # What goes wrong is in our own errors; the library's lines are about single connections, whoever opened them.
    "GRPC_VERBOSITY": "NONE",
}
"""What gRPC reads once, when it is imported, in a process that serves."""


def process_environment() -> dict[str, str]:
    """Give a copy of the variables of this process."""
    return dict(os.environ)


def client_server(environment: Mapping[str, str] | None = None) -> str:
    """Give the address that ``SPEECH_SERVER`` names for client commands; "" where it is not set."""
    return (os.environ if environment is None else environment).get(ENV_SERVER, "").strip()


def admin_server(environment: Mapping[str, str] | None = None) -> str:
    """Give the admin port that ``SPEECH_ADMIN_SERVER`` names for operators' commands; "" where it is not set."""
    return (os.environ if environment is None else environment).get(ENV_ADMIN_SERVER, "").strip()


def client_api_key(environment: Mapping[str, str] | None = None) -> str:
    """Give the key that ``SPEECH_API_KEY`` holds for client commands; "" where it is not set."""
    return (os.environ if environment is None else environment).get(ENV_API_KEY, "").strip()


def local_address(listen: str) -> str:
    """Name the address under which a client on this machine finds what listens on ``listen``."""
    host, _, port = listen.rpartition(":")
    return f"127.0.0.1:{port}" if host in _ANY_ADDRESS else listen


def silence_grpc() -> None:
    """Keep gRPC's own C++ log lines off stderr, unless the environment asks for them. Call it before gRPC is used."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")


def visible_gpus() -> tuple[str, ...] | None:
    """Give the GPUs that ``CUDA_VISIBLE_DEVICES`` leaves to this process, as it names them; None: it is not set."""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is None:
        return None
    return tuple(name for part in listed.split(",") if (name := part.strip()))


def child_environment(
    defaults: Mapping[str, str], changes: Mapping[str, str] = MappingProxyType({})
) -> dict[str, str]:
    """Give the environment of a child process: this one's with ``changes``, and ``defaults`` for what it does not set.

    An empty entry of ``PYTHONPATH`` means the current folder, where others may put modules: it is left out.
    """
    environment = {**defaults, **os.environ, **changes}
    paths = environment.get("PYTHONPATH", "").split(os.pathsep)
    if len(paths) > 1 and "" in paths:
        environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    return environment


def keep_matplotlib_out_of_home() -> None:
    """Give matplotlib a folder for its fonts that is gone with this process. Call it before it is imported.

    Where the environment names a folder, that one stays.
    """
    if "MPLCONFIGDIR" not in os.environ:
        folder = tempfile.mkdtemp(prefix="speech-plot-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ["MPLCONFIGDIR"] = folder


def set_environment_defaults(defaults: Mapping[str, str]) -> None:
    """Set variables of this process and its children, but for those that are set: an operator's choice stays."""
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
