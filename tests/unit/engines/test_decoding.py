"""Draft verification is greedy decoding, whatever the draft was."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from speech_service.engines.decoding import (
    DecodingStrategy,
    Greedy,
    OrEnding,
    Verify,
    accepted_count,
    is_looping,
)

END = 0
tokens = st.lists(st.integers(1, 6), max_size=30)


def decode(truth: Sequence[int], strategy: DecodingStrategy) -> tuple[list[int], int]:
    """Decode with a model that says ``truth`` and then END; returns the tokens and the passes."""
    generated: list[int] = []
    passes = 0
    while True:
        proposed = list(strategy.propose(generated))
        predicted: list[int] = []
        for count in range(len(proposed) + 1):
            context = [*generated, *proposed[:count]]
            on_truth = list(truth[: len(context)]) == context
            at = len(context)
            predicted.append(truth[at] if on_truth and at < len(truth) else END)
        count = accepted_count(proposed, predicted)
        passes += 1
        generated += proposed[:count]
        if predicted[count] == END:
            return generated, passes
        generated.append(predicted[count])


@given(truth=tokens, draft=tokens)
def test_verified_text_is_greedy_text(truth: list[int], draft: list[int]) -> None:
    greedy, steps = decode(truth, Greedy())
    verified, passes = decode(truth, Verify(draft))
    assert greedy == verified == truth
    assert passes <= steps


@given(truth=tokens)
def test_a_draft_that_holds_costs_one_pass(truth: list[int]) -> None:
    assert decode(truth, Verify(truth)) == (truth, 1)


def test_an_empty_draft_is_greedy() -> None:
    assert decode([5, 4, 3], Verify(())) == decode([5, 4, 3], Greedy())


@given(truth=tokens, draft=tokens, ending=tokens)
def test_a_proposed_ending_changes_no_text(
    truth: list[int], draft: list[int], ending: list[int]
) -> None:
    verified, passes = decode(truth, Verify(draft))
    ended, fewer = decode(truth, OrEnding(Verify(draft), ending))
    assert ended == verified == truth
    assert fewer <= passes


def test_an_ending_that_comes_saves_its_pass() -> None:
    assert decode([5, 4, 3, 9], OrEnding(Greedy(), [9])) == ([5, 4, 3, 9], 4)
    assert decode([5, 4, 3, 9], Greedy()) == ([5, 4, 3, 9], 5)


def test_a_changed_token_does_not_void_the_rest_of_the_draft() -> None:
    draft = list(range(1, 21))
    truth = [*draft[:5], 99, *draft[6:]]
    passes = decode(truth, Verify(draft))[1]
    assert passes <= 5


def test_another_beginning_of_another_length_does_not_void_the_rest_of_the_draft() -> None:
    draft = list(range(1, 31))
    for beginning in (8, 11, 14):
        truth = [*range(101, 101 + beginning), *draft[11:]]
        passes = decode(truth, Verify(draft))[1]
        assert passes <= beginning + 3, "a pass for each new token, then large ones"


def test_a_token_that_stands_for_another_costs_no_pass_of_its_own() -> None:
    assert decode([1, 99, 3, 98, 5], Verify([1, 2, 3, 4, 5]))[1] == 3


def test_accepted_count_is_the_common_prefix() -> None:
    assert accepted_count([1, 2, 3], [1, 2, 9, 4]) == 2
    assert accepted_count([], [7]) == 0
    assert accepted_count([1, 2], [1, 2, 3]) == 2


def test_loops_are_seen_and_speech_is_not() -> None:
    assert is_looping([7] * 24)
    assert is_looping([1, 2, 3, *([4, 5, 6] * 8)])
    assert not is_looping([7] * 10)
    assert not is_looping(list(range(100)))
    assert not is_looping([*([4, 5, 6] * 8), 1])
