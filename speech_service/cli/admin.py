"""What the commands for operators share: which admin port they call."""

import argparse
from pathlib import Path

from speech_client.admin import AdminClient
from speech_service.cli import server_address
from speech_service.cli.arguments import add_credentials, address, credentials
from speech_service.cli.failure import CommandError, ExitCode
from speech_service.config.environment import (
    ENV_ADMIN_SERVER,
    ENV_SERVER,
    admin_server,
    client_server,
    local_address,
)
from speech_service.config.load import load_config


def add_admin(parser: argparse.ArgumentParser) -> None:
    """Declare which server is called. The admin port is plaintext, on loopback or a Unix socket."""
    group = parser.add_argument_group("connection")
    group.add_argument(
        "--server",
        type=address,
        metavar="HOST:PORT",
        help="address of the admin port, also unix:PATH; default: server.admin_listen of --config, else "
        f"{ENV_ADMIN_SERVER} of the environment, else server.admin_listen of the configuration, unless {ENV_SERVER} "
        "names another server",
    )
    add_credentials(group)
    group.add_argument("--config", type=Path, metavar="FILE", help="TOML configuration")
    parser.set_defaults(tls=False, tls_ca=None, tls_cert=None, tls_key=None, admin=True)


def connect_admin(given: argparse.Namespace) -> AdminClient:
    """Give the client of ``given.server``.

    Raises:
        CommandError: a file of a credential cannot be read, or holds none.
    """
    key, token = credentials(given)
    return AdminClient.connect(given.server, api_key=key, token=token)


def choose_admin(given: argparse.Namespace) -> None:
    """Set ``given.server``: what was said, else what the environment names, else the configuration's.

    ``SPEECH_SERVER`` names the port of a service, which does not tell its admin port: another server's is never called
    in its place. ``--config`` was said, so it comes before the environment.

    Raises:
        ConfigError: the configuration is wrong.
        CommandError: the environment names a server, and not its admin port; or what it names is no address.
    """
    if given.server is not None:
        return
    if given.config is None and (named := admin_server()):
        try:
            given.server = server_address.parse(named)
        except ValueError as error:
            raise CommandError(f"{ENV_ADMIN_SERVER}: {error}", ExitCode.USAGE) from error
    elif given.config is None and (service := client_server()):
        raise CommandError(
            f"{ENV_SERVER} names {service}, the port of a service, and this command calls its admin port: "
            f"name that with --server or {ENV_ADMIN_SERVER} ({server_address.ADMIN_PORT})",
            ExitCode.USAGE,
        )
    else:
        given.server = local_address(load_config(given.config).server.admin_listen)
