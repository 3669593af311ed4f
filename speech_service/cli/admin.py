"""What the commands for operators share: which admin port they call."""

import argparse
from pathlib import Path

from speech_client.admin import AdminClient
from speech_service.cli.arguments import add_credentials, address, credentials
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
    add_credentials(group)
    group.add_argument("--config", type=Path, metavar="FILE", help="TOML configuration")
    parser.set_defaults(tls=False, tls_ca=None, tls_cert=None, tls_key=None)


def connect_admin(given: argparse.Namespace) -> AdminClient:
    """Give the client of ``given.server``.

    Raises:
        CommandError: a file of a credential cannot be read, or holds none.
    """
    key, token = credentials(given)
    return AdminClient.connect(given.server, api_key=key, token=token)


def choose_admin(given: argparse.Namespace) -> None:
    """Set ``given.server``: what was said, else the admin port of the configuration.

    Raises:
        ConfigError: the configuration is wrong.
    """
    if given.server is None:
        given.server = local_address(load_config(given.config).server.admin_listen)
