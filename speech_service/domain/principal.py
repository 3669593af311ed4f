"""Who makes a call: what the credentials of its metadata, or its certificate, were found to say."""

import hmac
from dataclasses import dataclass

UNTENANTED = ""
"""The tenant of services that ask nobody who calls: all that they keep is everybody's."""


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller. Without authentication everybody is ``ANONYMOUS``."""

    tenant: str = UNTENANTED
    """Whose voices, caches and quotas the call uses."""
    subject: str = ""
    """Who it is among those of the tenant, for the log: the name of a key, the subject of a token. Never a secret."""

    def owns(self, tenant: str) -> bool:
        """Whether what was made for ``tenant`` (a voice, a token to resume with) is the caller's. Takes equally long
        whatever the answer."""
        return hmac.compare_digest(self.tenant.encode(), tenant.encode())


ANONYMOUS = Principal()
