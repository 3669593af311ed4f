"""Whether a transcript is no more than what a recognizer says of noise."""

from collections.abc import Iterable


def says_only(text: str, noise_words: Iterable[str]) -> bool:
    """True where ``text`` is one of ``noise_words``, or has signs and no word at all.

    Args:
        text: what a recognizer said; case, and signs that are neither letter nor digit, do not count. Empty text says
            nothing: False.
        noise_words: in small letters, words divided by one space.
    """
    words = "".join(char if char.isalnum() else " " for char in text.casefold()).split()
    return bool(text) and (not words or " ".join(words) in noise_words)
