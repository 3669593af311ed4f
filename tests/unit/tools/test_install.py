"""What a machine tells pip holds for uv as well."""

from tools.install import pip_settings

LISTING = """\
:env:.cert='/certificates/here.pem'
:env:.disable-pip-version-check='1'
global.cert='/certificates/there.pem'
global.extra-index-url='https://one.invalid/simple https://two.invalid/simple'
global.find-links='/wheels /more-wheels'
global.index-url='https://all.invalid/simple'
install.index-url='https://install.invalid/simple'
download.index-url='https://download.invalid/simple'
"""


def test_settings_are_handed_on_and_the_nearest_wins() -> None:
    assert pip_settings(LISTING) == {
        "SSL_CERT_FILE": "/certificates/here.pem",
        "UV_INDEX": "https://one.invalid/simple https://two.invalid/simple",
        "UV_FIND_LINKS": "/wheels,/more-wheels",
        "UV_DEFAULT_INDEX": "https://install.invalid/simple",
    }


def test_a_machine_that_tells_pip_nothing_tells_uv_nothing() -> None:
    assert pip_settings("") == {}
