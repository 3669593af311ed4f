"""The voices of each tenant: those of the models are everybody's, those that clients made are their tenant's."""

from collections.abc import Callable
from pathlib import Path

from speech_service.calls.model_catalog import ModelCatalog
from speech_service.calls.quotas import Quotas
from speech_service.calls.voices.catalog import VoiceCatalog
from speech_service.calls.voices.store import MadeVoices
from speech_service.config.tree import SynthesisConfig
from speech_service.domain.principal import UNTENANTED

_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789_-")


class VoicesByTenant:
    """Catalogs, made when their tenant first asks. The same voice id may be another voice for another tenant."""

    def __init__(
        self, catalog: ModelCatalog, config: SynthesisConfig, store: Callable[[str], MadeVoices]
    ) -> None:
        """``store``: makes the store of a tenant."""
        self._catalog = catalog
        self._config = config
        self._store = store
        self._known: dict[str, VoiceCatalog] = {}

    def of(self, tenant: str) -> VoiceCatalog:
        """The voices that a tenant sees."""
        known = self._known.get(tenant)
        if known is None:
            known = VoiceCatalog(self._catalog, self._config, self._store(tenant))
            self._known[tenant] = known
        return known


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
