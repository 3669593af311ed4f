"""What each tenant uses, as metrics: a call observer."""

from speech_service.domain.call import Call
from speech_service.domain.principal import UNTENANTED
from speech_service.protocols import Observer

OTHER = "other"


class TenantUsage:
    """Counts calls by tenant. The first tenants have names of their own, so that the series stay few."""

    def __init__(self, observer: Observer, named: int) -> None:
        """``named``: tenants that are counted by name; the others are counted together."""
        self._observer = observer
        self._most = named
        self._named: set[str] = set()

    def call_started(self, call: Call) -> None:
        """Nothing is known of it yet."""

    def call_ended(self, call: Call, code: str) -> None:
        """Count what the call used."""
        tenant = call.principal.tenant
        if tenant == UNTENANTED:
            return
        observer, label = self._observer, self._label(tenant)
        observer.count("speech_tenant_calls_total", 1.0, tenant=label, grpc_code=code)
        if call.usage is not None:
            received_s, sent_s = call.usage.audio_in_ms / 1000, call.usage.audio_out_ms / 1000
            observer.count("speech_tenant_audio_received_seconds_total", received_s, tenant=label)
            observer.count("speech_tenant_audio_sent_seconds_total", sent_s, tenant=label)
            observer.count("speech_tenant_characters_total", call.usage.characters_in, tenant=label)

    def _label(self, tenant: str) -> str:
        if tenant in self._named:
            return tenant
        if len(self._named) >= self._most:
            return OTHER
        self._named.add(tenant)
        return tenant
