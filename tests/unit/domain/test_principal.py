"""Names of tenants, and how long a credential is good."""

import pytest

from speech_service.domain.principal import ANONYMOUS, UNTENANTED, Lease, is_tenant_name


@pytest.mark.parametrize("name", ["acme", "Acme & Sons", "żółw", "../up", "a" * 64])
def test_a_tenant_may_be_called_nearly_anything(name: str) -> None:
    assert is_tenant_name(name)


@pytest.mark.parametrize("name", ["", " acme", "a\nb", "a\0b", "ż" * 33, "a" * 65, "\ud800"])
def test_what_is_no_tenant(name: str) -> None:
    assert not is_tenant_name(name)


def test_nobody_is_no_tenant() -> None:
    assert ANONYMOUS.tenant == UNTENANTED
    assert not is_tenant_name(UNTENANTED)


def test_a_lease_ends_once_and_no_later() -> None:
    lease = Lease()
    assert lease.ended_for_s(1e9) is None
    lease.end(20.0)
    lease.end(30.0)
    assert lease.ended_for_s(19.0) is None
    assert lease.ended_for_s(25.0) == 5
    lease.end(10.0)
    assert lease.ended_for_s(25.0) == 15
