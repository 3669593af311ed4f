"""Who owns what was made for a tenant."""

import pytest

from speech_service.domain.principal import ANONYMOUS, UNTENANTED, Principal


@pytest.mark.parametrize(
    ("caller", "made_for", "owned"),
    [
        ("acme", "acme", True),
        ("acme", "globex", False),
        ("acme", "acme2", False),
        ("acme", "", False),
        ("", "acme", False),
        ("żółw", "żółw", True),
    ],
)
def test_a_caller_owns_what_was_made_for_its_tenant_only(
    caller: str, made_for: str, *, owned: bool
) -> None:
    assert Principal(caller).owns(made_for) is owned


def test_what_nobody_was_asked_for_is_everybodys() -> None:
    assert ANONYMOUS.tenant == UNTENANTED
    assert ANONYMOUS.owns(UNTENANTED)
