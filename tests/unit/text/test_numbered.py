"""Answers of language models, taken apart."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_service.text.llm_answers import answers, plausible, question, single


@given(st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=9))
def test_a_perfect_answer_is_the_question(texts: list[str]) -> None:
    found = answers(question(texts), len(texts))
    assert found == {number: text.strip() for number, text in enumerate(texts, start=1)}


@given(
    st.text(alphabet=st.sampled_from(list('{}[]",:`\\\n123abc ')) | st.characters()),
    st.integers(1, 5),
)
def test_no_answer_breaks_it(answer: str, count: int) -> None:
    found = answers(answer, count)
    assert all(1 <= number <= count and text.strip() for number, text in found.items())
    single(answer, "text")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ('{"1": "a", "2": "b"}', {1: "a", 2: "b"}),
        ('```\n{"2": "b", "1": "a"}\n```', {1: "a", 2: "b"}),
        ('Here: {"1": "a", "2": "b"} Done.', {1: "a", 2: "b"}),
        ('{"1": "a", "2": "b', {1: "a"}),
        ('{"1": "a", "1": "c", "2": "b"}', {2: "b"}),
        ('{"1": "a", "1": "a"}', {1: "a"}),
        ('{"1": "a", "3": "b", "0": "z"}', {1: "a"}),
        ('{"1": {"pt": "a"}, "2": 5}', {1: "a"}),
        ('["a", "b"]', {1: "a", 2: "b"}),
        ('["a"]', {}),
        ('["a", "b", "c"]', {}),
        ('[{"id": 2, "text": "b"}, {"id": "1", "translation": "a"}]', {1: "a", 2: "b"}),
        ('[{"1": "a"}, {"2": "b"}]', {1: "a", 2: "b"}),
        ('{"translations": ["a", "b"]}', {1: "a", 2: "b"}),
        ('{"1": "a\nb"}', {1: "a\nb"}),
        ('{"1": "say \\"x\\"", "2"', {1: 'say "x"'}),
        ("1. a\n2) b", {1: "a", 2: "b"}),
        ("[1] a\n**2.** b", {1: "a", 2: "b"}),
        ("2: b\n1: a\n\nHope this helps", {1: "a", 2: "b"}),
        ('<think>{"1": "no"}</think>{"1": "a"}', {1: "a"}),
        ('<think>{"1": "no"}', {}),
        ("", {}), ("I cannot.", {}), ("null", {}), ("{}", {}), ("[" * 50_000, {}),
    ],
)  # fmt: skip
def test_answers(answer: str, expected: dict[int, str]) -> None:
    assert answers(answer, 2) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Olá", "Olá"), ("```\nOlá\n```", "Olá"), ("Sure, here it is:\n\nOlá", "Olá"), ('"Olá"', "Olá"),
        ("<think>hm</think>Olá", "Olá"), ("", None), ("  ", None), ("Olá\n\n(Note: informal)", None),
        ("<think>hm", None),
    ],
)  # fmt: skip
def test_single(answer: str, expected: str | None) -> None:
    assert single(answer, "Hello") == expected


def test_single_keeps_what_the_text_has() -> None:
    assert single('"Olá"', '"Hello"') == '"Olá"'
    assert single("Assim:\nolá", "Like this:\nhello") == "Assim:\nolá"
    assert single("um\n\ndois", "one\n\ntwo") == "um\n\ndois"


def test_what_cannot_be_a_translation() -> None:
    assert not plausible("Hello", " ")
    assert not plausible("Hello", "la " * 200)
    assert not plausible("I live in London.", "i live in london")
    assert plausible("I live in London.", "I live in London.", may_echo=True)
    assert plausible("London", "London")
    assert json.loads(question(['a\n"b"'])) == {"1": 'a\n"b"'}
