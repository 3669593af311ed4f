"""Tables in Markdown."""


def row(*cells: str) -> str:
    """Give a line of a table."""
    return f"| {' | '.join(' '.join(cell.replace('|', chr(92) + '|').split()) for cell in cells)} |"


def heading_row(*titles: str) -> str:
    """Give the first two lines of a table."""
    return f"{row(*titles)}\n{row(*['---'] * len(titles))}"
