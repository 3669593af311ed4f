"""What clients are told of what they do wrong stays as it was recorded: codes, reasons, fields and words."""

from pathlib import Path

from tests.integration.error_rows.rows import all_told, of_lines, rows, some_of

RECORD = Path(__file__).parent / "rows.json"


async def test_rows_are_told_as_they_were_recorded() -> None:
    recorded = of_lines(RECORD.read_text("utf-8"))
    asked = rows()
    # A field that the contract has gained brings rows of its own; record them with it.
    assert recorded.keys() <= asked.keys()
    some = some_of(asked, recorded)
    assert len(some) > 1_000
    told = await all_told(some)
    changed = {
        name: (recorded[name], row) for name, row in told.items() if recorded.get(name, row) != row
    }
    assert not changed
