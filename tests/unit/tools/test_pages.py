"""Reference pages are what the source gives."""

from tools import metrics_page


def test_the_page_of_metrics_is_of_the_table() -> None:
    written = metrics_page.PAGE.read_text(encoding="utf-8")
    assert written == metrics_page.page(), "run: python tools/metrics_page.py"
