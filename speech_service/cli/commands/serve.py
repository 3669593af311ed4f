"""``speech-service serve``: run the service until SIGTERM or Ctrl-C."""

import argparse
import sys
from pathlib import Path

from speech_service.cli.failure import ExitCode, missing_extra
from speech_service.config.environment import SERVER_ENVIRONMENT, set_environment_defaults
from speech_service.config.load import asks_for_json, load_config
from speech_service.config.tree import ConfigError, ServerConfig
from speech_service.signals import ignore_harmless

_HIGHEST_FIRST_PORT = 65_533

_EPILOG = (
    "Settings: defaults, then the file, then environment variables (SPEECH_SERVER__LISTEN=... sets "
    "server.listen), then these arguments, then --set; later ones win. "
    "Once calls are accepted, one line on stdout says so: serving grpc=PORT admin=PORT metrics=PORT models=NAME,... "
    "workers=MODE; with --log-format json it is an object."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = _EPILOG
    parser.add_argument("--config", type=Path, metavar="FILE", help="TOML configuration")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--listen", metavar="HOST:PORT", help="address of the service (server.listen)"
    )
    where.add_argument(
        "--port",
        type=_port,
        metavar="N",
        help="all three ports: N for the service, N+1 for admin, N+2 for metrics, as a second server on one "
        "machine needs; hosts stay as configured",
    )
    parser.add_argument(
        "--workers",
        choices=("process", "inline"),
        help="models in a process of their own, or in this one, for development (worker.mode)",
    )
    parser.add_argument(
        "--preload", action="store_true", help="load models now, not with the first request"
    )
    parser.add_argument("--log-format", choices=("text", "json"), help="observability.log_format")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="settings",
        metavar="SECTION.KEY=VALUE",
        help="any setting; may be repeated",
    )


def run(given: argparse.Namespace) -> int:
    """Serve; returns the exit code of the application. SIGHUP reads the settings again.

    Raises:
        ConfigError: the configuration is wrong, and logs are text.
        CommandError: the ``server`` extra is not installed.
    """
    try:
        try:
            config = load_config(given.config, _settings(given))
        except ConfigError as error:
            if not asks_for_json(given.config, overrides(given)):
                raise
            from speech_service.observability.logging import json_line

            sys.stderr.write(json_line("ERROR", __name__, str(error)))
            return ExitCode.USAGE
        ignore_harmless()  # until the service handles them
        set_environment_defaults(SERVER_ENVIRONMENT)
        from speech_service import app

        return app.run(config, lambda: load_config(given.config, overrides(given)))
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in ("", "speech_service", "speech"):
            raise
        raise missing_extra("server", missing) from error


def _settings(given: argparse.Namespace) -> list[str]:
    """Give the arguments as settings, with ``--port`` put where the configuration listens."""
    named = overrides(given)
    if given.port is None:
        return named
    return [*ports(load_config(given.config, named).server, given.port), *named]


def ports(server: ServerConfig, first: int) -> list[str]:
    """Settings of three ports in a row. What is switched off, or is a unix socket, stays as it is."""
    listens = {
        "listen": server.listen,
        "admin_listen": server.admin_listen,
        "metrics_listen": server.metrics_listen,
    }
    return [
        f"server.{key}={address.rpartition(':')[0]}:{first + number}"
        for number, (key, address) in enumerate(listens.items())
        if address and not address.startswith("unix:")
    ]


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= _HIGHEST_FIRST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port, 1 to {_HIGHEST_FIRST_PORT}")
    return int(text)


def overrides(given: argparse.Namespace) -> list[str]:
    """Give the arguments as settings; ``--set`` comes last, so it wins."""
    named = (
        ("server.listen", given.listen),
        ("worker.mode", given.workers),
        ("worker.preload", "true" if given.preload else None),
        ("observability.log_format", given.log_format),
    )
    return [f"{key}={value}" for key, value in named if value] + list(given.settings)
