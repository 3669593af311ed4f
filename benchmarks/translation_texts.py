"""300 English and Portuguese texts with what must come through their translation: 15 kinds of 20."""

# ruff: noqa: E501, RUF001 - signs of all kinds are the data of this module

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Case:
    """A text and the pieces of it that its translation must have."""

    kind: str
    source: str
    target: str
    text: str
    keeps: tuple[str, ...]


_VALUES: dict[str, Sequence[str]] = {
    "placeholder": (
        "{name}", "{0}", "{user_id}", "${VAR}", "${HOME}", "{{name}}", "{{ user.name }}", "%s", "%d", "%1$s",
        "%(count)d", "%2$d", "#{total}", "%{size}", "[[topic]]", "{count:,}", "{0:.2f}", "%05.1f", "$HOME", "%@",
    ),
    "plural form": (
        "{n, plural, one {# file} other {# files}}", "{count, number}", "{day, date, short}",
        "{g, select, male {he} female {she} other {they}}", "{n, plural, =0 {none} other {#}}", "{price, number, currency}",
        "{x, selectordinal, one {#st} other {#th}}", "{time, time, medium}", "{n, plural, offset:1 one {# guest} other {# guests}}",
        "{kind, select, a {A} other {B}}",
    ),
    "mark-up": (
        "<b>now</b>", "<br/>", "&amp;", "&#39;", "&quot;", "<a href=\"x.html\">here</a>", "&nbsp;", "&lt;", "&#x27;",
        "<img src='a.png'>", "&copy;", "<code>x</code>", "&euro;", "<i>this</i>", "&hellip;",
    ),
    "code": (
        "`make test`", "`x = 1`", "C#", "C++", "F#", "/usr/local/bin", "~/notes.txt", "C:\\Temp\\a.txt", "src/main.py",
        "v1.2.3", "2.0.1", "my_variable", "get_user()", "--verbose", "Node.js", "README.md", "a != b", "x >= 4", "0x1F",
        "config.yaml",
    ),
    "handle": (
        "#1", "@user", "#travel", "@ana_lima", "#2026", "@dev-team", "#OpenSource", "@maria", "#42", "bob@example.org",
        "https://example.org/a?b=1", "www.example.com", "ana.b@mail.example.pt", "#python", "@support",
    ),
    "money": (
        "£7", "¥500", "€1.199,00", "$1,199.00", "£1,250.75", "₹2,000", "₩10,000", "€ 35", "7 €", "$0.99", "₿0.5", "¢50",
        "£3.5", "€9,99", "$12", "¥1,000", "₽300", "₺45", "£20", "$1,000,000",
    ),
    "measure": (
        "10 µm", "20 °C", "½", "¼", "2½", "5 Ω", "m²", "10⁶", "3 kΩ", "25 m³", "90°", "5′4″", "1.5 µg", "⅔", "¾", "50 %",
        "0.5 ‰", "12.5%", "100 km/h", "98.6°F",
    ),
    "mathematics": (
        "x < 5", "y > 3", "20 ± 2", "a ≤ b", "3 × 4", "12 ÷ 4", "a ≠ b", "√2", "π", "∞", "x² + y²", "∑", "A ∪ B", "p ≈ 0.5",
        "α", "Δt", "2 + 2 = 4", "7 − 3", "f → g", "a ≡ b",
    ),
    "dash and quotes": ("—", "—", "–", "“", "”", "«", "»", "„", "—", "“"),
    "other script": (
        "日本語", "東京", "Привет", "Ελλάδα", "한국어", "שלום", "العربية", "ไทย", "Dvořák", "Łódź", "Škoda", "Müller", "Žižek",
        "Ångström", "Erdoğan", "北京", "こんにちは", "Владимир", "Gdańsk", "Zürich",
    ),
    "symbol": (
        "©", "®", "™", "§", "¶", "†", "•", "→", "⌘", "✓", "№", "★", "♥", "|", "~", "^", "\\", "*", "_", "&",
    ),
    "emoji": (
        "😀", "👍🏽", "❤️", "👩‍💻", "🎉", "🇵🇹", "🚀", "☀️", "🐶", "✅", "🔥", "😂", "🙏", "👨‍👩‍👧", "⚠️",
    ),
    "number": (
        "42", "1,199.00", "3.14", "1,000,000", "0042", "2024-03-04", "3/4/2024", "14:30", "9:05", "1/2", "1914–1918", "5-10",
        "007", "1.5", "10,000", "99.9", "2,024", "12", "365", "8.75",
    ),
    "long number": (
        "4111 1111 1111 1111", "+44 20 7946 0958", "555-1234", "(212) 555-0187", "978-3-16-148410-0", "1234567890",
        "5500 0000 0000 0004", "+351 912 345 678", "PT50 0002 0123 1234 5678 9015 4", "192.168.0.1", "123-45-6789",
        "3782 822463 10005", "AB-1234-567", "0800 123 456", "10.0.0.255",
    ),
    "several": (
        "{name} £7", "½ {x}", "#1 €9,99", "`a` 10 µm", "@user {{x}}", "C# v1.2.3", "{a} 42 {b}", "20 ± 2 %s", "😀 {n}", "日本語 #2",
    ),
}  # fmt: skip
_FRESH: dict[str, Sequence[str]] = {
    "placeholder": (
        "{{#if user}}", "{%s}", "<%= title %>", "%-10s", "{first_name!r}", ":count", "{{t('key')}}", "${item.price}", "{{{body}}}", "$1",
        "%08d", "{}", "@{name}", "__NAME__", "[user]", "{{ 'a' | upper }}", "%ld", "\\(name)", "{n:03d}", "%1$@",
    ),
    "mark-up": (
        "<strong>", "<span class=\"a\">", "&#169;", "&mdash;", "<input type='text'/>", "**bold**", "[docs](https://example.com/d)",
        "<!-- note -->", "&#x2014;", "_very_",
    ),
    "code": (
        "`git push -u origin main`", "Array.from(x)", "a && b", "i++", "x => x + 1", "/etc/hosts", "npm install", "SELECT * FROM t",
        "user.email", "foo::bar", "--dry-run=true", "#include <a.h>", "0b1010", "arr[0]", "D:\\data\\x.csv", "requirements.txt",
    ),
    "handle": (
        "@joao.silva", "#BlackFriday", "r/python", "t.me/abc", "joe+news@mail.example.com", "#7", "@x_y_z", "#año2025",
        "ftp://files.example.org/a", "http://localhost:8080/x",
    ),
    "money": (
        "A$25", "CHF 90", "R$ 1.234,56", "US$1.5bn", "€2.50/kg", "£99.99", "-$45", "$5–$10", "1.000 €", "5¢", "₦500", "₫20,000",
    ),
    "measure": ("37.5 °C", "6'2\"", "3⅛", "25 µL", "9.8 m/s²", "-40 °F", "16:9", "5 × 7 cm", "120/80", "H₂O", "45° N", "1e-9"),
    "emoji": ("🤷‍♀️", "👩🏾‍🚀", "🏳️‍🌈", "1️⃣", "😅😅", "🇧🇷🇯🇵", ":-)", "<3", "¯\\_(ツ)_/¯", "♻️"),
    "symbol": ("‽", "⅏", "☎", "¬", "∴", "♯", "₿", "⏰", "℃", "№ 5"),
}  # fmt: skip
"""Written when the rules were there, without a look at them."""
_WHOLE: dict[str, Sequence[tuple[str, ...]]] = {
    "en": (
        ("Your invoice INV-2026-0184 for $1,204.50 is due on 2026-12-15.", "INV-2026-0184", "$1,204.50", "2026-12-15"),
        ("Hi {{first_name}}, your order #114-7730 has shipped.", "{{first_name}}", "#114-7730"),
        ("Call +1-415-555-0123 or write to help@shop.example.com.", "+1-415-555-0123", "help@shop.example.com"),
        ("Bake at 350°F (175°C) for 35-40 min.", "350°F", "175°C", "35-40"),
        ("Run `pip install -r requirements.txt` and restart.", "`pip install -r requirements.txt`"),
        ("The build failed with exit code 137 in src/app/main.py:88.", "137", "src/app/main.py:88"),
        ("Use code SAVE20 to get 20% off today.", "SAVE20", "20%"),
        ("Flight BA117 leaves T5 at 13:25 from gate B42.", "BA117", "T5", "13:25", "B42"),
        ("Track your parcel RR123456785DE at https://post.example.org/t?id=7.", "RR123456785DE", "https://post.example.org/t?id=7"),
        ("Mix 1½ cups of flour with ¾ tsp of salt.", "1½", "¾"),
        ("The room is 12 × 14 ft, about 15.6 m².", "12 × 14", "15.6 m²"),
        ("Take 500 mg every 6 h, not more than 4 g/day.", "500 mg", "6 h", "4 g"),
        ("My blood pressure was 128/82 this morning 😀.", "128/82", "😀"),
        ("Lakers 112 – 108 Celtics after overtime.", "112", "108"),
        ("The temperature fell to −12 °C last night.", "−12 °C"),
        ("Please press * or # to repeat the menu.", "*", "#"),
        ("She paid €85/hr for 12 hrs of work.", "€85", "12"),
        ("In 2019 he sold it for $1.25M.", "2019", "$1.25M"),
        ("Upgrade to v2.11.0 before 30/11/2026.", "v2.11.0", "30/11/2026"),
        ("Reply STOP to 88022 to unsubscribe.", "STOP", "88022"),
        ("Set `timeout_ms` to 5000 in config.toml.", "`timeout_ms`", "5000", "config.toml"),
        ("The wifi password is hx88-mmq2!", "hx88-mmq2"),
        ("Our IBAN is GB29 NWBK 6016 1331 9268 19.", "GB29 NWBK 6016 1331 9268 19"),
        ("Ask @maria in #general about ticket SUP-3312.", "@maria", "#general", "SUP-3312"),
        ("The value of π is about 3.14159.", "π", "3.14159"),
        ("If x ≤ 10 and y ≠ 0, the result is defined.", "≤", "10", "≠", "0"),
        ("The file C:\\Users\\ana\\report_final.docx is open.", "C:\\Users\\ana\\report_final.docx"),
        ("Meet me at 221B Baker St. at 7pm 🎉.", "221B", "7", "🎉"),
        ("You have %d new messages and %s files.", "%d", "%s"),
        ("<b>Warning:</b> do not turn off the device.", "<b>", "</b>"),
        ("Dr. Müller from Zürich wrote to Łukasz.", "Müller", "Łukasz"),
        ("The book 吾輩は猫である is on page 42.", "吾輩は猫である", "42"),
        ("CO₂ is at 425 ppm and rising.", "CO₂", "425"),
        ("Rated 4.8★ by 1,204 users.", "4.8", "★", "1,204"),
        ("The ratio is 16:9 at 120 Hz.", "16:9", "120"),
        ("Your one-time code is 482 917.", "482 917"),
        ("Deposit £250.00 & keep the receipt.", "£250.00"),
        ("He ran 42.195 km in 2:58:07.", "42.195", "2:58:07"),
        ("Press ⌘+C and then Ctrl+V.", "⌘+C", "Ctrl+V"),
        ("Model XR-500 weighs 61.5 kg.", "XR-500", "61.5"),
    ),
    "pt": (
        ("Sua fatura nº 4471 de R$ 1.204,50 vence em 15/12/2026.", "4471", "R$ 1.204,50", "15/12/2026"),
        ("Ligue para (11) 98765-4321 ou escreva para ajuda@loja.example.com.br.", "(11) 98765-4321", "ajuda@loja.example.com.br"),
        ("Asse a 180 °C por 35–40 min.", "180 °C", "35", "40"),
        ("Use o cupom VERAO25 e ganhe 25% de desconto.", "VERAO25", "25%"),
        ("O voo TP123 sai às 13h25 do portão B42.", "TP123", "B42"),
        ("Olá, {nome}! Seu pedido #8812 foi enviado.", "{nome}", "#8812"),
        ("O arquivo /var/log/app.log tem 2,5 GB.", "/var/log/app.log", "GB"),
        ("Rode `git pull --rebase` antes de continuar.", "`git pull --rebase`"),
        ("A senha é Abc!2026#x.", "Abc!2026#x"),
        ("Pague via Pix: 123.456.789-09.", "123.456.789-09"),
        ("A reunião é às 14:30 na sala 204 😊.", "14:30", "204", "😊"),
        ("O placar foi 3 × 0.", "3", "0"),
        ("Veja https://exemplo.example.org/a_b?x=1&y=2 para mais.", "https://exemplo.example.org/a_b?x=1&y=2"),
        ("Tome 1 comprimido de 500 mg a cada 8 h.", "1", "500 mg", "8"),
        ("A área é de 85 m² e custa € 320.000.", "85 m²", "€ 320.000"),
        ("Atualize para a versão 3.12.1 do Python.", "3.12.1"),
        ("O CEP é 01310-100.", "01310-100"),
        ("Se n < 100, use o laço O(n²).", "<", "100", "O(n²)"),
        ("Você tem {count, plural, one {# mensagem} other {# mensagens}}.", "{count, plural,"),
        ("Fale com @joao ou #suporte.", "@joao", "#suporte"),
    ),
}  # fmt: skip
"""Messages as people and software write them, each with what must come through; written when the rules were there."""
_FRESH_SENTENCES = {
    "en": (
        "Before you leave, check that {} is still there.",
        "My sister sent me {} last night and I did not understand it.",
        "If {} does not work, please call us.",
        "Only {} can help you now, he said.",
    ),
    "pt": (
        "Antes de sair, verifique se {} ainda está lá.",
        "Minha irmã me mandou {} ontem à noite e eu não entendi.",
        "Se {} não funcionar, ligue para nós.",
        "Só {} pode ajudar você agora, disse ele.",
    ),
}
_SENTENCES = {
    "en": (
        "Please write {} in the box and then send it back to me.",
        "I think that {} is what they meant when we talked yesterday.",
        "She showed us {} before the meeting began.",
        "The answer is {}, but nobody knows why.",
        "We found {} on the first page of the book.",
    ),
    "pt": (
        "Por favor, escreva {} na caixa e depois envie de volta para mim.",
        "Eu acho que {} é o que eles queriam dizer ontem.",
        "Ela nos mostrou {} antes da reunião.",
        "A resposta é {}, mas ninguém sabe por quê.",
        "Encontramos {} na primeira página do livro.",
    ),
}
_MARKED = {
    "en": {
        "—": "She said—very quietly—that it was over.", "–": "He came back – at last – with the keys.",
        "“": "“Come in,” she said to the child.", "”": "He called it “a good day” for the town.",
        "«": "The sign said «closed» all week.", "»": "They read «the news» every morning.",
        "„": "The word „garden“ was on the wall.",
    },
    "pt": {
        "—": "Ela disse—muito baixo—que tinha acabado.", "–": "Ele voltou – finalmente – com as chaves.",
        "“": "“Entre”, disse ela à criança.", "”": "Ele chamou isso de “um bom dia” para a cidade.",
        "«": "A placa dizia «fechado» a semana toda.", "»": "Eles leem «as notícias» todas as manhãs.",
        "„": "A palavra „jardim“ estava na parede.",
    },
}  # fmt: skip


def cases() -> list[Case]:
    """20 of each kind: every value in turn, in English sentences, then in Portuguese ones."""
    found: list[Case] = []
    for kind, values in _VALUES.items():
        for number in range(20):
            value = values[number % len(values)]
            source, target = ("en", "pt") if number % 4 != 3 else ("pt", "en")
            if kind == "dash and quotes":
                text, keeps = _MARKED[source][value], (value,)
            else:
                text = _SENTENCES[source][number % 5].replace("{}", value, 1)
                keeps = _parts(kind, value)
            found.append(Case(kind, source, target, text, keeps))
    return found


def fresh_cases() -> list[Case]:
    """100 of other values, in other sentences, and 60 whole messages."""
    found: list[Case] = []
    for kind, values in _FRESH.items():
        for number, value in enumerate(values):
            source, target = ("en", "pt") if number % 3 != 2 else ("pt", "en")
            text = _FRESH_SENTENCES[source][number % 4].replace("{}", value, 1)
            found.append(Case(kind, source, target, text, (value,)))
    for source, messages in _WHOLE.items():
        target = "pt" if source == "en" else "en"
        found += [Case("message", source, target, text, tuple(keeps)) for text, *keeps in messages]
    return found


def _parts(kind: str, value: str) -> tuple[str, ...]:
    """What of a value must come through: the words between tags are translated."""
    if kind == "several":
        return tuple(value.split(" "))
    tags = tuple(re.findall(r"<[^<>]*+>", value)) if kind == "mark-up" else ()
    return tags or (value,)


def is_kept(keep: str, translation: str) -> bool:
    """Whether a translation has it: as it stands, or with its digits grouped and pointed in another way."""
    if keep in translation:
        return True
    if not any(char.isdigit() for char in keep):
        return False
    signs = [char for char in keep if not char.isdigit() and char not in ".,: "]
    written = "".join(char for char in translation if char not in "., \u00a0")
    at = 0
    for digits in re.findall(r"\d+", "".join(char for char in keep if char not in "., ")):
        at = written.find(digits, at) + len(digits)
        if at < len(digits):
            return False
    return all(sign in translation for sign in signs)
