"""What the commands for operators share: which admin port they call."""

import argparse
from pathlib import Path

from speech_service.cli.arguments import address
from speech_service.config.environment import local_address
from speech_service.config.load import load_config


def add_admin(parser: argparse.ArgumentParser) -> None:
    """Declare which server is called. The admin port is plaintext, on loopback or a Unix socket."""
    group = parser.add_argument_group("connection")
    group.add_argument(
        "--server",
        type=address,
        metavar="HOST:PORT",
        help="address of the admin port, also unix:PATH; default: server.admin_listen of the configuration",
    )
    group.add_argument("--config", type=Path, metavar="FILE", help="TOML configuration")
    parser.set_defaults(tls=False, tls_ca=None, tls_cert=None, tls_key=None)


def choose_admin(given: argparse.Namespace) -> None:
    """Set ``given.server``: what was said, else the admin port of the configuration.

    Raises:
        ConfigError: the configuration is wrong.
    """
    if given.server is None:
        given.server = local_address(load_config(given.config).server.admin_listen)
