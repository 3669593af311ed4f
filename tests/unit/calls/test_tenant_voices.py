"""Where a tenant's voices are kept, and how many."""

import asyncio
import weakref
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_service.calls.model_catalog import ModelCatalog
from speech_service.calls.quotas import Quotas
from speech_service.calls.voices.files import MadeVoice
from speech_service.calls.voices.store import MadeVoices
from speech_service.calls.voices.tenants import (
    MAX_CATALOGS,
    VoicesByTenant,
    tenant_folder,
    voice_stores,
)
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


def catalogs(folder: str) -> tuple[VoicesByTenant, list[str]]:
    """With the names of the tenants whose stores were made."""
    config, opened = SynthesisConfig(voices_folder=folder), list[str]()
    make = voice_stores(config, Quotas(QuotaConfig(), NullObserver()))

    def store(tenant: str) -> MadeVoices:
        opened.append(tenant)
        return make(tenant)

    return VoicesByTenant(CATALOG, config, store), opened


def crowd(voices: VoicesByTenant, count: int = 2 * MAX_CATALOGS) -> None:
    for number in range(count):
        voices.of(f"t{number}")


async def test_catalogs_of_tenants_that_are_gone_are_forgotten(tmp_path: Path) -> None:
    voices, opened = catalogs(str(tmp_path))
    await voices.of("acme").store.add(made("mine"))
    await voices.of("globex").store.add(made("theirs"))
    kept = [weakref.ref(voices.of(name)) for name in ("acme", "globex")]
    for _ in range(3):  # globex asks now and then
        crowd(voices, MAX_CATALOGS - 1)
        voices.of("globex")
    assert [each() is None for each in kept] == [True, False]
    assert opened.count("globex") == 1
    await voices.refresh("acme")
    assert voices.of("acme").made("mine") is not None, "it is read again"
    assert opened.count("acme") == 2


async def test_a_catalog_in_use_stays_the_only_one_of_its_tenant(tmp_path: Path) -> None:
    voices, _ = catalogs(str(tmp_path))
    used = voices.of("acme")
    crowd(voices)
    assert voices.of("acme") is used


async def test_voices_that_are_kept_nowhere_else_are_never_forgotten() -> None:
    voices, _ = catalogs("")
    await voices.of("acme").store.add(made("mine"))
    gone = weakref.ref(voices.of("globex"))
    crowd(voices)
    assert voices.of("acme").made("mine") is not None
    assert gone() is None


async def test_a_tenant_that_was_refreshed_is_found_whoever_came_meanwhile(tmp_path: Path) -> None:
    voices, opened = catalogs(str(tmp_path))
    await voices.of("acme").store.add(made("mine"))
    crowd(voices)
    refreshing = asyncio.create_task(voices.refresh("acme"))
    await asyncio.sleep(0)
    crowd(voices)
    await refreshing
    assert voices.of("acme").made("mine") is not None
    assert opened.count("acme") == 2
