"""How addresses of all kinds are said: web, mail, IP, handles, hashtags, file names, paths, versions."""

import re

from speech_service.text.english.number_words import DIGITS, number, spelled
from speech_service.text.english.rules import Rule, any_of, rule

_SIGNS = {
    ".": "dot",
    "/": "slash",
    "\\": "backslash",
    "?": "question mark",
    "=": "equals",
    "&": "and",
    "#": "hash",
    "@": "at",
    ":": "colon",
    "-": "dash",
    "_": "underscore",
    "%": "percent",
    "+": "plus",
    "~": "tilde",
    "$": "dollar",
}
_SPELLED = frozenset(
    [
        "pdf",
        "txt",
        "csv",
        "tsv",
        "xml",
        "html",
        "htm",
        "css",
        "js",
        "ts",
        "py",
        "md",
        "jpg",
        "png",
        "svg",
        "mp",
        "mov",
        "avi",
        "wav",
        "gz",
        "docx",
        "xls",
        "xlsx",
        "ppt",
        "pptx",
        "sql",
        "cfg",
        "ini",
        "yml",
        "php",
        "cpp",
        "rs",
        "uk",
        "us",
        "io",
        "ai",
        "tv",
        "eu",
        "fr",
        "jp",
        "cn",
        "ru",
        "br",
        "edu",
        "http",
        "https",
        "ftp",
        "ssh",
        "www",
        "api",
        "url",
        "id",
        "db",
        "ui",
        "usr",
        "ip",
    ]
)
"""Parts of addresses that are said letter by letter."""
_FILE_ENDS = (
    *(
        "py",
        "js",
        "ts",
        "jsx",
        "tsx",
        "txt",
        "csv",
        "tsv",
        "json",
        "xml",
        "html",
        "htm",
        "css",
        "md",
        "rst",
    ),
    *(
        "pdf",
        "doc",
        "docx",
        "xls",
        "xlsx",
        "ppt",
        "pptx",
        "odt",
        "jpg",
        "jpeg",
        "png",
        "gif",
        "svg",
        "bmp",
    ),
    *(
        "mp3",
        "mp4",
        "mov",
        "avi",
        "mkv",
        "wav",
        "flac",
        "ogg",
        "zip",
        "tar",
        "gz",
        "rar",
        "exe",
        "dll",
        "bat",
    ),
    *(
        "sh",
        "sql",
        "cfg",
        "ini",
        "yml",
        "yaml",
        "toml",
        "log",
        "php",
        "cpp",
        "java",
        "rb",
        "rs",
        "go",
        "bak",
        "dat",
    ),
)
_TOP_LEVELS = (
    *(
        "com",
        "org",
        "net",
        "edu",
        "gov",
        "io",
        "co",
        "uk",
        "de",
        "fr",
        "info",
        "biz",
        "us",
        "ca",
        "au",
        "tv",
    ),
    *(
        "me",
        "ly",
        "ai",
        "app",
        "dev",
        "eu",
        "ch",
        "at",
        "nl",
        "es",
        "it",
        "jp",
        "cn",
        "br",
        "in",
        "ru",
        "se",
        "int",
    ),
)
_SOFTWARE = (
    *(
        "Python",
        "Java",
        "Node",
        "Ubuntu",
        "Debian",
        "Fedora",
        "macOS",
        "iOS",
        "iPadOS",
        "Android",
        "Windows",
    ),
    *(
        "Chrome",
        "Firefox",
        "Safari",
        "PHP",
        "Ruby",
        "Go",
        "Rust",
        "Django",
        "React",
        "Postgres",
        "PostgreSQL",
    ),
    *(
        "MySQL",
        "Kubernetes",
        "Docker",
        "Git",
        "CUDA",
        "Linux",
        "kernel",
        "version",
        "Version",
        "release",
        "Release",
    ),
    *("build", "firmware"),
)
_PIECE = re.compile(r"[^\W\d_]+|\d+|[\W_]")
_CAMEL = re.compile(r"[A-Z]?[a-z]+|(?:[A-Z](?![a-z]))++|\d+|_")
_STOPS = ".,;:!?"


def _say_address(match: re.Match[str]) -> str:
    address = match.group()
    body = address.rstrip(_STOPS)
    stop = address[len(body) :][:1]
    body = re.sub(r"^[a-z][a-z0-9+.-]{1,12}://", "", body.rstrip("/") or body, flags=re.IGNORECASE)
    return f"{_characters(body)}{stop}"


def _characters(body: str) -> str:
    return " ".join(said for piece in _PIECE.findall(body) if (said := _piece(piece)))


def _piece(piece: str) -> str:
    if piece.isdecimal():
        return number(piece)
    if piece.lower() in _SPELLED:
        return spelled(piece)
    if piece == "a":
        return "A"  # the letter, not the article
    return _SIGNS.get(piece, piece if piece.isalpha() else "")


def _sign(char: str) -> str:
    return DIGITS[int(char)] if char.isdecimal() else spelled(char)


def _say_ip(match: re.Match[str]) -> str:
    address, bits, port = match.groups()
    numbers = [" ".join(DIGITS[int(digit)] for digit in part) for part in address.split(".")]
    said = " dot ".join(numbers)
    said += f" slash {number(bits)}" if bits else ""
    return said + (f" port {' '.join(DIGITS[int(digit)] for digit in port)}" if port else "")


def _say_version(match: re.Match[str]) -> str:
    return f"{match.group(1) or ''}{_release(match.group(2))}"


def _say_v(match: re.Match[str]) -> str:
    return f"version {_release(match.group(1))}"


def _release(text: str) -> str:
    return " point ".join(number(part) for part in text.split("."))


def _say_hashtag(match: re.Match[str]) -> str:
    return "hashtag " + _words_of(match.group(1))


def _say_handle(match: re.Match[str]) -> str:
    return "at " + _words_of(match.group(1))


def _words_of(name: str) -> str:
    """Give the words of a name in camel or snake case."""
    parts = _CAMEL.findall(name) if name.isascii() else [name]
    return " ".join("underscore" if p == "_" else number(p) if p.isdecimal() else p for p in parts)


def _say_camel(match: re.Match[str]) -> str:
    """ "maxRetries", "userId": the words of a name in code."""
    return " ".join(_piece(word.lower()) for word in _CAMEL.findall(match.group()))


def _say_identifier(match: re.Match[str]) -> str:
    return _characters(match.group())


ADDRESSES: tuple[Rule, ...] = (
    rule(r"\b(?:https?|ftp|ssh|wss?|file)://\S{1,400}", _say_address, any_case=True),
    rule(r"\bwww\.\S{1,400}", _say_address, any_case=True),
    rule(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,5}[A-Za-z][\w-]{1,62}", _say_address),
    rule(r"(?<![\d.])(\d{1,3}(?:\.\d{1,3}){3})(?:/(\d{1,2}))?(?::(\d{2,5}))?(?![.]?\d)", _say_ip),
    # Paths, host names, file names.
    rule(r"(?<![\w/.~])[A-Z]:\\[\w.\\-]{1,200}", _say_address),
    rule(r"(?<![\w/.~<])(?:~|\.{1,2})?(?:/[A-Za-z_][\w.-]{0,63}){2,12}/?", _say_address),
    rule(r"(?<![\w/.~<])(?:~|\.{1,2})/[\w.-]{1,64}", _say_address),
    rule(r"(?<![\w.@/-])localhost(?::\d{2,5})?(?:/[^\s,;]{0,200})?", _say_address),
    rule(
        rf"(?<![\w.@/-])(?:[A-Za-z0-9][A-Za-z0-9-]{{0,62}}\.){{1,5}}(?:{any_of(_TOP_LEVELS)})"
        r"(?::\d{2,5})?(?:/[^\s,;]{0,200})?(?![\w@])",
        _say_address,
    ),
    rule(
        rf"(?<![\w.@/-])[A-Za-z0-9_][\w-]{{0,63}}(?:\.[\w-]{{1,32}}){{0,3}}\.(?:{any_of(_FILE_ENDS)})(?![\w@(]|\.\w)",
        _say_address,
    ),
    rule(
        rf"(?<![\w.])(\*?)\.({any_of(_FILE_ENDS)})(?!\w)",
        lambda m: f"{'star ' if m[1] else ''}dot {_characters(m[2])}",
    ),
    rule(r"(?<![\w.])Node\.js\b", "Node dot J.S"),
    rule(
        r"(?<![\w&#/])#(?=[0-9A-Fa-f]{0,5}\d)([0-9A-Fa-f]{6})(?!\w)",
        lambda m: f"hash {' '.join(map(_sign, m[1]))}",
    ),
    # Names in networks; switches and names in code.
    rule(r"(?<![\w&#/])#(?![A-Z]{1,4}-?\d)([A-Za-z_]\w{0,99})", _say_hashtag),
    rule(r"(?<![\w&#/])#(?!\d{1,4}(?:st|nd|rd|th)\b)(\d{1,4}[A-Z]?[a-z]{2}\w{0,99})", _say_hashtag),
    rule(r"(?<![\w@./])@([A-Za-z_]\w{0,63})", _say_handle),
    rule(r"(?<!\S)(--?)([a-z][a-z-]{0,40}|[A-Z])(?![\w.])", lambda m: _say_switch(m)),
    rule(r"(?<!\S)-([A-Z]{2})(?=[.,;:!?)]|$| [a-z])", lambda m: spelled(m[1])),
    rule(r"(?<![\w-])(?:[A-Za-z]\w{0,60}_[A-Za-z0-9]\w{0,60})(?!\w)", _say_identifier),
    rule(r"(?<![\w.@/-])(?!mmHg\b)[a-z]{2,20}(?:[A-Z][a-z]{1,20}){1,5}(?![\w@])", _say_camel),
)

VERSIONS: tuple[Rule, ...] = (
    rule(
        r"(?<=\d)(?:-|(?<=\d\.\d)|(?<=\.\d\d))(alpha|beta|rc|dev|pre|post|snapshot)(?:\.?(\d{1,3}))?(?!\w)",
        lambda m: f" {m[1]} {m[2] or ''}",
    ),
    rule(r"(?<![\w)])\^(?=\d{1,4}\.\d)", "caret "),
    rule(r"\bV(4|6|8|1[026])(?![\w.]{0,60}\d)(?!\w)", r"V \1"),
    rule(r"\b[vV](?:er)?\.? ?(\d{1,6}(?:\.\d{1,6}){1,5})(?![.]?\d)", _say_v),
    rule(r"(?<![\w.])[vV](\d{1,4})(?![\w.]{0,60}\d|,\d)", _say_v),
    rule(rf"\b((?:{any_of(_SOFTWARE)}) )(\d{{1,4}}(?:\.\d{{1,6}}){{1,4}})(?![.]?\d)", _say_version),
    rule(r"(?<![\w.,])()(\d{1,6}(?:\.\d{1,6}){2,6})(?![.]?\d)", _say_version),
)


def _say_switch(match: re.Match[str]) -> str:
    dashes, name = match.groups()
    return f"{' '.join('dash' for _ in dashes)} {_characters(name)}"
