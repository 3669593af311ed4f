"""Reference pages are what the source gives."""

from speech_service.cli.commands.config import reference
from tools import configuration_page, metrics_page


def test_the_page_of_metrics_is_of_the_table() -> None:
    written = metrics_page.PAGE.read_text(encoding="utf-8")
    assert written == metrics_page.page(), "run: make docs"


def test_the_page_of_settings_is_of_the_types() -> None:
    written = configuration_page.PAGE.read_text(encoding="utf-8")
    assert written == reference(), "run: make docs"
