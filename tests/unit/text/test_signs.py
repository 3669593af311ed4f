"""What must come through a translation is found before it, and missed after it."""

# ruff: noqa: E501, RUF001 - signs of all kinds are the data of this module

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_service.text import signs
from speech_service.text.typography import put_back, write_plainly

ALPHABET = frozenset(string.ascii_letters + string.digits + "!\"#$%&'()*+,-./:;=>?[]_|°áâãçéêíóôõú")
"""About what the embedded model has pieces for."""

VERBATIM = {
    "placeholders": "{name} {0} ${VAR} $HOME {{x}} {{ user.name }} #{total} %{size} [[topic]] {0:.2f} %s %d %1$s %(count)d %05.1f %@ %%",
    "mark-up": "<b> </i> <br/> <img> <00:01.000> &#39; &amp; &#x27; &nbsp; &quot; &copy; {\\an8} <!--x--> <%=y%>",
    "paths": "%APPDATA%\\tool $HOME/documents $HOME/.config %TEMP%\\a.b\\c",
    "code": "`x` C# C++ F# .NET /usr/bin ~/a.txt ./run C:\\Temp\\a \\\\host\\a src/main.py v1.2.3 2.0.1 my_var get() --all -v Node.js a_b() 0x1F != >= -> :=",
    "handles": "#1 #tag @user @ana_lima bob@x.org https://x.org/a?b=1 www.x.com ftp://x.org #2026 @a/b mailto://x",
    "names behind colons": ":name :order_id :id :smile: :+1: :flag-br: :100:",
    "faces": ":) ;-) :D :-( :/ =) :P <3 </3",
    "tags of numbers": "<0> </0> <1/> </12>",
    "code of shells and sheets": "$(date) $env:PATH \\(name) <<name>> \\cite{a} |x| a[i] x[0] row['id'] data[\"k\"] Sheet1!C3 A!$B$2",
    "times": "00:01:04,500 1:02:03 10:20:30.125",
    "small letters": "mᵗʰ xₙ Vᵢ ℝ ℵ ℏ",
    "flags of parts of countries": "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "numbers": "1914–1918 5–10 10.0.0.255 192.168.0.1 2024-03-04",
    "emoji": "😀 👍🏽 ❤️ 👩‍💻 🇵🇹 ☀️ ✅ ⚠️ 🚀 3️⃣",
    "unknown signs": "£7 ¥500 €1.199,00 10⁶ x² ½ 2½ ± ≤ ≠ √2 → ⌘ © ™ § 5Ω ~ ^ \\ < @ { `",
    "unknown letters": "µm 日本語 Привет Ελλάδα 한국어 שלום ไทย Dvořák Łódź Müller naïve Zürich",
}  # fmt: skip


@pytest.mark.parametrize("kind", VERBATIM)
def test_what_is_no_language_is_found_whole(kind: str) -> None:
    for piece in VERBATIM[kind].split(" "):
        text = f"the {piece} is"
        spans = [text[begin:end] for begin, end in signs.tells(text, ALPHABET)]
        assert spans == [piece], (piece, spans)


@pytest.mark.parametrize(
    "piece",
    [
        "4111 1111 1111 1111", "+44 20 7946 0958", "(212) 555-0187", "x < 5", "a ≤ b", "3 × 4 = 12", "x² + y²", "A → B",
        "*/5 * * * *", "0 9 * * 1-5", ".. note::", "\\(x + y\\)", "$(date +%F)",
        "{n, plural, one {# item} other {# items}}", "{g, select, a {x {y}} other {z}}", "`a b c`", "{a} {b}", "日本語 テスト",
        "<a href='x y'>", "```\ncode here\n```",
    ],
)  # fmt: skip
def test_pieces_with_spaces_are_one(piece: str) -> None:
    text = f"the {piece} is"
    assert [text[begin:end] for begin, end in signs.tells(text, ALPHABET)] == [piece]


@pytest.mark.parametrize(
    "text",
    [
        "He said: it's fine, isn't it? (Yes!)", "50% of the dogs and/or cats", "I met Dr. Smith at 10 a.m.", "It ended.Then it began.",
        "the U.S. and e.g. this", "Tom & Jerry", "She said “hello” — quietly…", "the dogs’ bowls", "A well-known, two-part plan",
        "10,000 people in 2024", "Note: it is here (see 8)", "Text[1] and text[12].", "at 10:30 he left: why?", "[a link](of words here)",
        "Name: Ann; age: 5", "He said:no", "1ª vez, 2º lugar", "It costs $5.", "It&#39;s fine",
    ],
)  # fmt: skip
def test_ordinary_text_is_left_to_the_model(text: str) -> None:
    assert signs.tells(text, ALPHABET) == []


@pytest.mark.parametrize(
    ("source", "translation", "is_kept"),
    [
        ("1,199.00", "1.199,00", True),
        ("1 000 000", "1.000.000", True),
        ("1,199.00", "1,99", False),
        ("5 dogs", "cinco cães", False),
        ("On March 5, 20 came", "20 vieram em 5 de março", True),
        ("4111 1111", "4111", False),
        ("7", "7 7", False),
        ("twelve", "12", True),
        ("50%", "50 %", True),
        ("50%", "50 por cento", False),
        ("$5", "US$ 5", True),
        ("€5", "US$ 5", False),
        ("a & b", "a e b", False),
        ("20 ± 2", "20 x 2", False),
        ("Hello, world!", "Olá mundo", True),
        ("1/2 cup", "1 2 xícara", False),
        ("½", "1/2", False),
        ("007", "7", False),
    ],
)
def test_numbers_and_signs_are_counted(source: str, translation: str, is_kept: bool) -> None:
    assert signs.kept(source, translation) is is_kept


@pytest.mark.parametrize(
    ("source", "translation", "is_through"),
    [
        ("Hi {name}", "Olá {name}", True),
        ("Hi {name}", "Olá {nome}", False),
        ("{a} of {b}", "{b} de {a}", True),
        ("%s %s", "%s", False),
        ("Run `x`", "Execute x", False),
        ("See https://x.org.", "Veja https://x.org.", True),
        ("C# and C++", "C e C++", False),
        ("#1", "n.º 1", False),
        ("<b>x</b>", "<b>y</b>", True),
        ("<b>x</b>", "y", False),
    ],
)
def test_what_a_model_saw_must_be_there(source: str, translation: str, is_through: bool) -> None:
    assert signs.comes_through(source, translation) is is_through


@given(st.text(max_size=300))
def test_spans_are_in_order_and_apart(text: str) -> None:
    last = 0
    for begin, end in signs.tells(text, ALPHABET):
        assert last <= begin < end <= len(text)
        last = end


@given(st.text(alphabet='ab1 £½{}<>日é&#;%—"', max_size=60))
def test_nothing_that_the_model_cannot_write_is_left_to_it(text: str) -> None:
    left = list(text)
    for begin, end in signs.tells(text, ALPHABET):
        left[begin:end] = " " * (end - begin)
    assert not set("".join(left)) & set("£½{}<日")


@given(st.text(max_size=200))
def test_a_text_keeps_its_own_signs(text: str) -> None:
    assert signs.kept(text, text)
    assert signs.comes_through(text, text)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("a—b", "a - b"),
        ("a — b – c", "a - b - c"),
        ("“a” and «b»", '"a" and "b"'),
        ("Don’t", "Don't"),
        ("Wait… what", "Wait... what"),
        ("‘a’", "'a'"),
        ('plain - "text"...', 'plain - "text"...'),
    ],
)
def test_typography_is_written_plainly_and_put_back(text: str, plain: str) -> None:
    written = write_plainly(text)
    assert written.text == plain
    assert put_back(plain, written) == text.replace("Don’t", "Don't")


@pytest.mark.parametrize(("text", "answer"), [("a—b", "a b"), ("“a”", "a"), ("“a” “b”", '"a" b')])
def test_lost_dashes_and_quotes_are_seen(text: str, answer: str) -> None:
    assert put_back(answer, write_plainly(text)) is None


@pytest.mark.parametrize(
    ("source", "translation", "written", "is_kept"),
    [
        ("It&#39;s water.", "C'est l'eau.", "C&#39;est l&#39;eau.", True),
        ("I don&#39;t know.", "Je n'en sais rien.", "Je n&#39;en sais rien.", True),
        ("I don&apos;t know.", "Je n'en sais rien.", "Je n&apos;en sais rien.", True),
        ("We&#x27;re here.", "L'eau.", "L&#x27;eau.", True),
        ("Ana&rsquo;s cat", "un copo d’água", "un copo d&rsquo;água", True),
        ("You&#39;re an hour late.", "Você está atrasado.", "Você está atrasado.", False),
        ("It&#39;s o&#39;clock.", "É d'água.", "É d&#39;água.", False),
        ("don&#39;t", "'não'", "'não'", False),
        ("It's &#39;new&#39;.", "L'eau.", "L'eau.", True),
        ("It's fine.", "C'est bon.", "C'est bon.", True),
        ("no entity", "d'água", "d'água", True),
    ],
)
def test_a_contraction_stays_as_the_source_writes_it(
    source: str, translation: str, written: str, is_kept: bool
) -> None:
    assert signs.with_entities(translation, source) == (written, is_kept)


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("A temperatura é −4 °C.", ["−4", "°"]),
        ("isto é ≈ 3 vezes", ["≈ 3"]),
        ("e √9 = 3", ["√9 = 3"]),
        ("é ≥ 80", ["≥ 80"]),
    ],
)
def test_a_word_of_one_letter_is_no_variable(text: str, spans: list[str]) -> None:
    found = [text[begin:end] for begin, end in signs.tells(text, ALPHABET - {"°"})]
    assert "é" not in "".join(found)
    assert not any(each.startswith("e ") for each in found)
    assert found[0].startswith(spans[0][0])


@pytest.mark.parametrize(
    ("source", "translation", "is_filled"),
    [
        ("<a href='/m'>messages</a>", "<a href='/m'></a> mensagens", False),
        ("a <b>b</b> <i>c d</i>", "a <b>b</b> <i></i> c", False),
        ("{{#if x}}messages{{/if}}", "mensagens {{#if x}}{{/if}}", False),
        ("[red]Danger[/red]", "[red][/red] Perigo", False),
        ("<b>Save</b> it", "Guarde <b>isto</b>", True),
        ("<br/> <i></i>", "<i></i> <br/>", True),
        ("{{#each x}}a {{y}} b{{/each}}", "{{#each x}} {{y}} {{/each}}", True),
        ("a < b and c</", "", True),
    ],
)
def test_pairs_that_held_words_hold_words(source: str, translation: str, is_filled: bool) -> None:
    assert signs.is_filled(source, translation) == is_filled
