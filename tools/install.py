"""Installs this project into the environment that runs the tool: `python tools/install.py server,dev`.

uv does the work, several times faster than pip: it fetches and unpacks side by side. It does not read pip's settings;
a machine that tells pip of an index, of a folder of wheels or of a certificate means them for every installer, so
they are handed on.
"""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ("hatchling", "editables", "setuptools")
"""What builds this project, and srt, which has no wheel. Installed first and pinned like all else: then no build needs
an environment of its own."""

# https://pip.pypa.io/en/stable/topics/configuration, https://docs.astral.sh/uv/reference/environment
_ENVIRONMENT = {
    "cert": "SSL_CERT_FILE",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "index-url": "UV_DEFAULT_INDEX",
    "no-index": "UV_NO_INDEX",
    "proxy": "ALL_PROXY",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "trusted-host": "UV_INSECURE_HOST",
}
_SEPARATOR = {"UV_FIND_LINKS": ","}


def pip_settings(listing: str) -> dict[str, str]:
    """What `pip config list` printed, as the variables that tell uv the same.

    pip lets a section of one command (``install.``) win over ``global.``, and its environment over both.
    """
    found: dict[int, dict[str, str]] = {0: {}, 1: {}, 2: {}}
    for line in listing.splitlines():
        name, separator, value = line.partition("=")
        section, _, option = name.rpartition(".")
        rank = {"global": 0, "install": 1, ":env:": 2}.get(section)
        if not separator or rank is None or option not in _ENVIRONMENT:
            continue
        variable = _ENVIRONMENT[option]
        words = str(ast.literal_eval(value)).split()
        found[rank][variable] = _SEPARATOR.get(variable, " ").join(words)
    return found[0] | found[1] | found[2]


def install(extras: str) -> None:
    """Install the build tools, then the project with these extras, all as pinned.

    A front end is to be small and quick from its first start. So what the extra ``server`` brings is compiled here,
    even where processes may write no bytecode, and copied out of uv's cache, not linked: the files that uv wrote lie
    in large pages, and who touches a corner of one holds all of it (`python -m benchmarks memory` shows it). The rest
    (torch, sympy) is too much for either.

    Raises:
        subprocess.CalledProcessError: uv could not; it has said why.
    """
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    pinned = ["--constraint", "constraints.txt"]
    subprocess.run([*pip, "install", "-qq", *pinned, "uv"], cwd=ROOT, check=True)
    listing = subprocess.run([*pip, "config", "list"], cwd=ROOT, check=True, stdout=subprocess.PIPE)
    settings = [f"{name}={value}" for name, value in pip_settings(listing.stdout.decode()).items()]
    uv = ["env", *settings, sys.executable, "-m", "uv", "pip", "install", "--quiet", *pinned]
    # Of several indexes the newest version that the pins allow is taken, wherever it is, as pip does.
    uv += ["--index-strategy", "unsafe-best-match", "--python", sys.executable]
    project = [*uv, "--no-build-isolation", "--editable"]
    for command in (
        [*uv, *BUILD],
        [*project, ".[server]", "--compile-bytecode", "--link-mode", "copy"],
        [*project, f".[{extras}]"],
    ):
        subprocess.run(command, cwd=ROOT, check=True)


if __name__ == "__main__":
    try:
        install(*sys.argv[1:])
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
