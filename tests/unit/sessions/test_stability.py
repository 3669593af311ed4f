"""The stable prefix only grows, and covers whole words that hypotheses agree on."""

from hypothesis import given
from hypothesis import strategies as st

from speech_service.sessions.recognition.stability import StablePrefix

WORDS = st.sampled_from(["a", "b", "wörld", "日本", "ab"])
HYPOTHESES = st.lists(st.lists(WORDS, max_size=6).map(" ".join), max_size=15)


@given(HYPOTHESES, st.integers(2, 4))
def test_the_prefix_never_shrinks_or_changes(hypotheses: list[str], agreement: int) -> None:
    stable = StablePrefix(agreement)
    before = ""
    for hypothesis in hypotheses:
        count = stable.update(hypothesis)
        assert stable.text.startswith(before)
        if count is None:
            assert stable.text == before
            assert not hypothesis.startswith(before)
        else:
            assert hypothesis[:count] == stable.text
        before = stable.text


@given(st.lists(WORDS, min_size=2, max_size=8), st.integers(2, 4))
def test_agreement_on_everything_leaves_out_the_newest_word(
    words: list[str], agreement: int
) -> None:
    stable = StablePrefix(agreement)
    text = " ".join(words)
    counts = [stable.update(text) for _ in range(agreement)]
    assert counts[:-1] == [0] * (agreement - 1)
    assert counts[-1] == len(" ".join(words[:-1]))


def test_a_word_is_stable_only_with_all_words_before_it() -> None:
    stable = StablePrefix(2)
    stable.update("x two three four")
    assert stable.update("y two three four") == 0
    assert stable.update("y two three four five") == len("y two three")


def test_a_contradiction_is_reported_and_forgiven_when_the_prefix_returns() -> None:
    stable = StablePrefix(2)
    assert [stable.update(text) for text in ("a b c", "a b c", "z", "a b c d")] == [0, 3, None, 3]


def test_a_longer_word_with_the_same_start_is_no_contradiction_of_characters() -> None:
    stable = StablePrefix(2)
    stable.update("a b")
    assert stable.update("a b") == 1
    assert stable.update("apple b") == 1  # the prefix counts characters
    assert stable.text == "a"
