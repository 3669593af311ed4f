"""Who makes a call: what the credentials of its metadata, or its certificate, were found to say."""

from dataclasses import dataclass, field

UNTENANTED = ""
"""The tenant of services that ask nobody who calls: all that they keep is everybody's."""
MAX_TENANT_BYTES = 64
"""Of a tenant's name in UTF-8, so that its folder has a name that every file system takes."""


def is_tenant_name(name: str) -> bool:
    """Whether a tenant may be called that: printable text, without spaces around it, of 1 to 64 bytes."""
    try:
        length = len(name.encode())
    except UnicodeEncodeError:  # half a surrogate
        return False
    return 0 < length <= MAX_TENANT_BYTES and name.isprintable() and name == name.strip()


@dataclass(slots=True, eq=False)
class Lease:
    """How long a credential is good. All calls that were opened with it look at the same one."""

    expires_s: float | None = None
    """On the monotonic clock; None: until it is revoked."""

    def end(self, now_s: float) -> None:
        """The credential was revoked."""
        self.expires_s = now_s if self.expires_s is None else min(self.expires_s, now_s)

    def ended_for_s(self, now_s: float) -> float | None:
        """Seconds since it was good; None: it still is."""
        return None if self.expires_s is None or now_s < self.expires_s else now_s - self.expires_s


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller. Without authentication everybody is ``ANONYMOUS``."""

    tenant: str = UNTENANTED
    """Whose voices, caches and quotas the call uses."""
    subject: str = ""
    """Who it is among those of the tenant, for the log: the name of a key, the subject of a token. Never a secret."""
    scopes: frozenset[str] = frozenset()
    """What it may do beside the services that every tenant may use."""
    account: str = ""
    """The key whose own quotas count beside those of the tenant; empty: it has none."""
    lease: Lease = field(default_factory=Lease, compare=False)


ANONYMOUS = Principal()
