"""Tables that people and programs can read.

On a terminal: columns that fit its width, or, where they do not, one block for each row. Anywhere else, in a pipe or a
file: one line for each row, its columns by tabs, no heading, nothing folded or cut, so that ``grep``, ``cut`` and
``awk`` work.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from speech_service.cli.ui.console import terminal

_GAP = 2
_LEAST_WRAPPED = 16
"""A column that may wrap is not made narrower than this."""

Cell = str | Text


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, and whether its cells may take several lines."""

    heading: str
    wraps: bool = False
    right: bool = False


def show(
    columns: Sequence[Column], rows: Sequence[Sequence[Cell]], *, blocks: bool = False
) -> None:
    """Print a table on stdout.

    Args:
        columns: the first names the row.
        rows: a cell for each column. ``Text`` cells keep their style on a terminal.
        blocks: one block for each row on a terminal, whatever its width.
    """
    if not sys.stdout.isatty():
        for row in rows:
            print("\t".join(_one_line(cell) for cell in row))
        return
    console = terminal()
    least = [_least_width(column, [row[at] for row in rows]) for at, column in enumerate(columns)]
    if blocks or sum(least) + _GAP * len(least) > console.width:
        _show_blocks(console, columns, rows)
        return
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="dim")
    for column, min_width in zip(columns, least, strict=True):
        table.add_column(
            column.heading,
            justify="right" if column.right else "left",
            no_wrap=not column.wraps,
            min_width=min_width,
            overflow="fold",
        )
    for row in rows:
        table.add_row(*(_text(cell) for cell in row))
    console.print(table)


def _least_width(column: Column, cells: Sequence[Cell]) -> int:
    natural = max(cell_len(text) for text in (column.heading, *map(_one_line, cells)))
    return min(natural, _LEAST_WRAPPED) if column.wraps else natural


def _show_blocks(
    console: Console, columns: Sequence[Column], rows: Sequence[Sequence[Cell]]
) -> None:
    """The name of each row, and below it what else there is, by headings."""
    for row in rows:
        console.print(_text(row[0]))
        for column, cell in zip(columns[1:], row[1:], strict=True):
            if _one_line(cell):
                grid = Table.grid(padding=(0, 1, 0, 0))
                grid.add_column(no_wrap=True)
                grid.add_column(overflow="fold")
                grid.add_row(Text(f"  {column.heading.lower()}", "dim"), _text(cell))
                console.print(grid)


def _text(cell: Cell) -> Text:
    return cell if isinstance(cell, Text) else Text(cell)


def _one_line(cell: Cell) -> str:
    return " ".join(str(cell).split())
