"""The voices of each tenant: those of the models are everybody's, those that clients made are their tenant's."""

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from weakref import WeakValueDictionary

from speech_service.calls.model_catalog import ModelCatalog
from speech_service.calls.quotas import Quotas
from speech_service.calls.voices.catalog import VoiceCatalog
from speech_service.calls.voices.store import MadeVoices
from speech_service.config.tree import SynthesisConfig
from speech_service.domain.principal import UNTENANTED

_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789_-")


MAX_CATALOGS = 256


class VoicesByTenant:
    """Catalogs, made when their tenant asks. The same voice id may be another voice for another tenant.

    Those of the tenants that asked last are kept, and those that hold what is kept nowhere else. One that somebody
    still works with stays the only one of its tenant for as long.
    """

    def __init__(
        self, catalog: ModelCatalog, config: SynthesisConfig, store: Callable[[str], MadeVoices]
    ) -> None:
        """``store``: makes the store of a tenant."""
        self._catalog = catalog
        self._config = config
        self._store = store
        self._known: WeakValueDictionary[str, VoiceCatalog] = WeakValueDictionary()
        self._recent: OrderedDict[str, VoiceCatalog] = OrderedDict()
        """The last comes last."""

    def of(self, tenant: str) -> VoiceCatalog:
        """The voices that a tenant sees."""
        known = self._known.get(tenant)
        if known is None:
            known = VoiceCatalog(self._catalog, self._config, self._store(tenant))
            self._known[tenant] = known
        self._recent[tenant] = known
        self._recent.move_to_end(tenant)
        if len(self._recent) > MAX_CATALOGS:
            self._forget()
        return known

    async def refresh(self, tenant: str) -> None:
        """Take in the voices that others of the tenant have made or deleted since; ``of``, called at once, has them."""
        voices = self.of(tenant)
        await voices.refresh()
        self.of(tenant)  # the last that asked, whoever did meanwhile

    def _forget(self) -> None:
        """The one that asked longest ago, of those that can be read again; where there is none, nothing."""
        oldest = (name for name, each in self._recent.items() if each.store.can_be_read_again)
        tenant = next(oldest, None)
        if tenant is not None:
            del self._recent[tenant]


def voice_stores(config: SynthesisConfig, quotas: Quotas) -> Callable[[str], MadeVoices]:
    """Makes stores in the folder of the configuration: one below it for each tenant, itself where nobody is asked."""

    def store(tenant: str) -> MadeVoices:
        folder = config.voices_folder
        if folder and tenant != UNTENANTED:
            folder = str(Path(folder) / tenant_folder(tenant))
        return MadeVoices(config.max_voices, folder, lambda kept: quotas.check_voices(tenant, kept))

    return store


def tenant_folder(tenant: str) -> str:
    """The name of a tenant's folder: ``@`` and the name, with ``%XX`` for all but ``a-z 0-9 _ -``, so that no name
    leads out of its place and no two are one where case is ignored."""
    return "@" + "".join(
        chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in tenant.encode()
    )
