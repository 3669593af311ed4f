"""Grammars of what is read digit by digit: codes, telephone numbers, cards."""

# ruff: noqa: E501 - tables of pairs

from random import Random

from benchmarks.forms.readings import Pair, cardinal, digits


def pin(draw: Random) -> Pair:
    """A sentence's form, and how it is read."""
    code = "".join(draw.choices("0123456789", k=draw.choice((4, 6))))
    word = draw.choice(("PIN", "passcode", "access code", "verification code", "security code"))
    return f"{word} {code}", f"{word} {digits(code)}".replace("PIN", "(PIN|pin)")


def phone(draw: Random) -> Pair:
    """A sentence's form, and how it is read."""
    a, b, c = draw.randint(201, 989), draw.randint(200, 999), f"{draw.randint(0, 9999):04}"
    form = draw.choice(
        (f"({a}) {b}-{c}", f"{a}-{b}-{c}", f"{a}.{b}.{c}", f"+1 {a} {b} {c}", f"1-{a}-{b}-{c}")
    )
    plus = "plus one " if form[0] == "+" else "one " if form.startswith("1-") else ""
    return form, plus + digits(f"{a}{b}{c}")


def phone_world(draw: Random) -> Pair:
    """A sentence's form, and how it is read."""
    land = draw.choice((44, 49, 33, 39, 91, 81))
    rest = [str(draw.randint(10, 99)), f"{draw.randint(0, 999):03}", f"{draw.randint(0, 9999):04}"]
    return f"+{land} {' '.join(rest)}", f"plus {digits(str(land))} {digits(''.join(rest))}"


def card(draw: Random) -> Pair:
    """A sentence's form, and how it is read."""
    number = "".join(draw.choices("0123456789", k=16))
    gap = draw.choice((" ", "-"))
    return f"card {gap.join(number[i : i + 4] for i in range(0, 16, 4))}", f"card {digits(number)}"


def last_four(draw: Random) -> Pair:
    """A sentence's form, and how it is read."""
    code = f"{draw.randint(0, 9999):04}"
    return f"the card ending in {code}", f"the card ending in {digits(code)}"


def iban(draw: Random) -> Pair:
    """A sentence's form, and how it is read."""
    groups = [f"{draw.randint(0, 9999):04}" for _ in range(4)]
    head = draw.choice(("DE", "FR", "NL")) + f"{draw.randint(10, 99)}"
    return f"IBAN {head} {' '.join(groups)}", f"(IBAN|I B A N) {digits(head + ''.join(groups))}"


def code(draw: Random) -> Pair:
    """A sentence's form, and how it is read."""
    letters = "".join(draw.choices("BCDFGHJKLMNPQRSTVWXYZ", k=2))
    number = f"{draw.randint(0, 9999):04}"
    return f"part {letters}-{number}", f"part {digits(letters + number)}"


def flight(draw: Random) -> Pair:
    """A sentence's form, and how it is read."""
    line, number = draw.choice(("BA", "LH", "AA", "UA", "KL")), draw.randint(101, 989)
    a, rest = divmod(number, 100)
    said = f"({digits(str(number))}|{cardinal(number)}|{cardinal(a)} {'oh ' if rest < 10 else ''}{cardinal(rest) if rest else 'hundred'})"
    return f"flight {line} {number}", f"flight {digits(line)} {said}"


def isbn(draw: Random) -> Pair:
    """A sentence's form, and how it is read."""
    parts = (
        "978",
        "0",
        str(draw.randint(100, 999)),
        str(draw.randint(10000, 99999)),
        str(draw.randint(0, 9)),
    )
    return f"ISBN {'-'.join(parts)}", f"I S B N {digits(''.join(parts))}"
