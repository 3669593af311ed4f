"""Builds what ``[auth]`` asks for, and keeps it fresh while the server runs."""

import asyncio
from dataclasses import dataclass
from typing import Protocol

from speech_service.calls.quotas import Quotas
from speech_service.config.tree import AuthConfig, Config, ConfigError
from speech_service.edge.auth.gate import Gate, TokenReader
from speech_service.edge.auth.refusals import Refusals
from speech_service.edge.auth.tenants import KEY as TENANTS_KEY
from speech_service.edge.auth.tenants import KnownCallers, TenantsFile, parse_tenants
from speech_service.edge.auth.watched_file import WatchedFile
from speech_service.protocols import CallObserver, Observer
from speech_service.tasks import keep


@dataclass(frozen=True, slots=True)
class Door:
    """What an interceptor needs to ask who calls."""

    gate: Gate
    refusals: Refusals


class Refreshed(Protocol):
    """What is read again."""

    async def watch(self) -> None:
        """Whenever it changes; never returns."""
        ...

    async def reload(self) -> None:
        """Now. Never fails."""
        ...


class Auth:
    """Both ports' doors, and the files behind them."""

    def __init__(
        self, config: Config, observer: Observer, counting: CallObserver, quotas: Quotas
    ) -> None:
        """Read the files. ``counting``: counts calls that are refused. ``quotas``: changed when the file is.

        Raises:
            ConfigError: a file cannot be used, or settings do not fit each other.
        """
        auth = config.auth
        check_auth(config)
        self.public: Door | None = None
        """None: nobody is asked."""
        self.admin: Door | None = None
        self._quotas = quotas
        self._sources: list[Refreshed] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._callers: KnownCallers | None = None
        if not auth.accept:
            return
        if auth.tenants_file:
            file = WatchedFile(auth.tenants_file, TENANTS_KEY, parse_tenants, observer, self._take)
            self._callers = KnownCallers(file.content)
            self._sources.append(file)
            quotas.change(file.content.quotas(quotas.defaults))
        tokens = self._tokens(auth, observer)
        keys = self._callers if "api_key" in auth.accept else None
        certificates = self._callers if "mtls" in auth.accept else None
        refusals = Refusals(observer, counting)
        reflection = auth.open_reflection
        public = Gate(keys, tokens, certificates, open_reflection=reflection)
        self.public = Door(public, refusals)
        if auth.admin_scope:
            # Certificates are of TLS, which the admin port does not speak.
            scope = auth.admin_scope
            admin = Gate(keys, tokens, None, scope=scope, open_reflection=reflection)
            self.admin = Door(admin, refusals)

    def start(self) -> None:
        """Begin to watch."""
        self._tasks = [keep(source.watch, "auth-watch") for source in self._sources]

    async def reload(self) -> None:
        """Read everything again now. Never fails."""
        for source in self._sources:
            await source.reload()

    async def close(self) -> None:
        """Stop watching."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _take(self, file: TenantsFile) -> None:
        assert self._callers is not None, "the file was read before"
        self._callers.change(file)
        self._quotas.change(file.quotas(self._quotas.defaults))

    def _tokens(self, auth: AuthConfig, observer: Observer) -> TokenReader | None:
        if "jwt" not in auth.accept:
            return None
        # Cryptography costs memory and start-up time that a server without tokens need not pay.
        from speech_service.edge.auth.public_keys import key_source
        from speech_service.edge.auth.tokens import Tokens, check_jwt

        check_jwt(auth.jwt)
        source = key_source(auth.jwt, observer)
        self._sources.append(source)
        return Tokens(auth.jwt, source)


def check_auth(config: Config) -> None:
    """Raise a ConfigError where settings of ``[auth]`` do not fit each other, or would do nothing."""
    auth = config.auth
    if not auth.accept:
        if auth != AuthConfig():
            raise ConfigError("auth.accept: is empty, but other keys of [auth] are set")
        return
    for way in ("api_key", "mtls"):
        if way in auth.accept and not auth.tenants_file:
            raise ConfigError(f'{TENANTS_KEY}: is empty, and auth.accept names "{way}"')
    if "mtls" in auth.accept and not config.server.tls_client_ca_file:
        raise ConfigError('server.tls_client_ca_file: is empty, and auth.accept names "mtls"')
    if auth.accept == ("mtls",) and auth.admin_scope:
        raise ConfigError(
            'auth.admin_scope: is set, but the admin port shows no certificates; accept "api_key" or "jwt", too, '
            'or say auth.admin_scope=""'
        )
