"""Where a tenant's voices are kept, and how many."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_service.calls.model_catalog import ModelCatalog
from speech_service.calls.quotas import Quotas
from speech_service.calls.voices.files import MadeVoice
from speech_service.calls.voices.tenants import VoicesByTenant, tenant_folder, voice_stores
from speech_service.config.tree import QuotaConfig, SynthesisConfig
from speech_service.domain.errors import QuotaExceededError
from speech_service.domain.models import ModelCapabilities, ModelKind
from speech_service.domain.principal import is_tenant_name
from speech_service.domain.synthesis import Voice, VoiceGender, VoiceKind
from speech_service.protocols import NullObserver

NAMES = st.text(min_size=1, max_size=64).filter(is_tenant_name)
CATALOG = ModelCatalog([ModelCapabilities("m", ModelKind.SYNTHESIZER, ("en",), 24_000, 60_000)])


@given(NAMES, NAMES)
def test_a_folder_is_of_one_tenant_and_leads_nowhere_else(one: str, other: str) -> None:
    folder = tenant_folder(one)
    assert len(folder) <= 255
    assert Path("root", folder).parent == Path("root")
    assert folder[0] == "@"
    assert not {"/", "\\", "\0", "."} & {*folder}
    assert (folder.lower() == tenant_folder(other).lower()) == (one == other)


def made(voice_id: str) -> MadeVoice:
    kind = VoiceKind.DESIGNED
    voice = Voice(voice_id, voice_id, "m", ("en",), VoiceGender.NEUTRAL, 24_000, kind=kind)
    return MadeVoice(voice, design="deep")


async def test_each_tenant_has_its_store_and_its_quota(tmp_path: Path) -> None:
    config = SynthesisConfig(voices_folder=str(tmp_path))
    quotas = Quotas(QuotaConfig(max_voices=1), NullObserver())
    voices = VoicesByTenant(CATALOG, config, voice_stores(config, quotas))
    for tenant in ("", "acme", "../up"):
        await voices.of(tenant).store.add(made("mine"))
        assert voices.of(tenant).made("mine") is not None
    assert voices.of("globex").made("mine") is None
    with pytest.raises(QuotaExceededError):
        await voices.of("acme").store.add(made("another"))
    await voices.of("").store.add(made("another"))
    assert files(tmp_path) == ["@%2E%2E%2Fup/mine.npz", "@acme/mine.npz", "another.npz", "mine.npz"]


def files(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*.npz"))
