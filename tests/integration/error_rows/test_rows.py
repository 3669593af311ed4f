"""What clients are told of what they do wrong stays as it was recorded: codes, reasons, fields and words."""

from pathlib import Path

from tests.integration.error_rows.rows import all_told, of_lines

RECORD = Path(__file__).parent / "rows.json"


async def test_every_row_is_told_as_it_was_recorded() -> None:
    recorded = of_lines(RECORD.read_text("utf-8"))
    told = await all_told()
    assert len(told) > 1_000
    # A field that the contract has gained brings rows of its own; record them with it.
    assert recorded.keys() <= told.keys()
    changed = {
        name: (recorded[name], row) for name, row in told.items() if recorded.get(name, row) != row
    }
    assert not changed
