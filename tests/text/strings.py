"""Deterministic test strings for tokenizers: code, many scripts, emoji, runs of white space, broken UTF-8. Bytes, not str."""

import pathlib
import random
import sysconfig
import unicodedata

WORDS = (
    "the quick brown fox don't I'll we've SHE'S they're naïve café Straße İstanbul ΑΘΗΝΑ σοφός Москва привет Україна мир "
    "नमस्ते दुनिया हिन्दी বাংলা தமிழ் తెలుగు ಕನ್ನಡ മലയാളം සිංහල ไทย ภาษาไทย ລາວ မြန်မာ ភាសាខ្មែរ བོད་ཡིག ქართული հայերեն "
    "שלום עולם مرحبا بالعالم فارسی اردو 你好 世界 中文字符 漢字 日本語 ひらがな カタカナ 한국어 안녕하세요 ኢትዮጵያ ᏣᎳᎩ ᐃᓄᒃᑎᑐᑦ ꦗꦮ "
    "hello_world camelCaseName SCREAMING_CASE kebab-case x=1 0x1F 3.14159 1234567890 2024-01-31 ١٢٣ ४५६ ½ ² Ⅷ ⅓ "
    "fi ﬂ Ａｂｃ ｶﾀｶﾅ ㎏ ℃ ™ ſtraße K Å å Å ế é ñ ก็ กำ '’s 'ſ 'S 'Ll 'RE n't"
).split()
EMOJI = ["😀", "👍🏽", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪🇫🇷", "❤️", "🧑🏿‍🚀", "☺", "⌛", "🤷‍♀️", "1️⃣", "🫠", "𝔘𝔫𝔦", "𓀀𓂀", "🀄", "𠀀𠮷"]
SPACES = [" ", "  ", "   ", "    ", "\t", "\n", "\r\n", "\n\n", " \n", "\n ", "\t\t", "\u00a0", "\u3000", "\u2003", "\u200b", "\u2028", "\x0b",
          "\x0c", "\x85", "\u180e", "\ufeff", "\u1680", "\r", "\n\n\n    ", "        ", "\n\t\t\t"]
BROKEN = [b"\xed\xa0\x80", b"\xed\xb0\x80", b"\xed\xa0\xbd\xed\xb8\x80", b"\xff", b"\xc0\x80", b"\xe2\x82", b"\xf0\x9f\x98", b"\x80\x80\x80",
          b"\xf4\x90\x80\x80", b"\xe0\x80\x80", b"caf\xe9", b"\xf0\x9f\x98\x80\xf0\x9f", b"\xfe\xff", b"\xe4\xbd"]
PUNCTUATION = ["...", "!?", "()", "{}[]", "<>", "->", "=>", "::", "//", "/*", "*/", "#", "$", "%", "&&", "||", "\"", "'", "`", "~", "^", "\\", "—", "“”",
               "、", "。", "¿", "«»", "…", "<|", "|>", "[/", "</s", "<0x0A>", "▁", "Ġ", "Ċ", "##", "_", "@", "•", "→", "€", "+", "=", "|"]


def assigned_characters() -> list:
    skip = {"Cn", "Cs", "Co"}
    return [chr(c) for c in range(1, 0x110000) if unicodedata.category(chr(c)) not in skip]


def code_lines() -> list:
    folder = pathlib.Path(sysconfig.get_paths()["stdlib"])
    lines = []
    for name in ["argparse.py", "ast.py", "asyncio/base_events.py", "json/decoder.py", "typing.py", "turtle.py", "re/_parser.py", "this.py"]:
        path = folder / name
        if path.exists():
            lines.append(path.read_text(encoding="utf-8").splitlines(keepends=True))
    return lines


def build_strings(count: int, seed: int, specials: list) -> list:
    """`count` byte strings. `specials` are added tokens of the tokenizer under test, mixed into some of them."""
    rng = random.Random(seed)
    characters = assigned_characters()
    files = code_lines()
    makers = [
        lambda: "".join(rng.choice(WORDS) + rng.choice([" ", " ", " ", "", "\n", ", "]) for _ in range(rng.randint(1, 30))),
        lambda: "".join(rng.choice(WORDS + EMOJI + SPACES + PUNCTUATION) for _ in range(rng.randint(1, 25))),
        lambda: "".join(rng.choice(SPACES) * rng.randint(1, 6) + rng.choice(["", "x", "字", "9", "!"]) for _ in range(rng.randint(1, 8))),
        lambda: "".join(rng.choice(EMOJI + ["\u200d", "\ufe0f", "🏽"]) for _ in range(rng.randint(1, 8))),
        lambda: "".join(rng.choice(characters) for _ in range(rng.randint(1, 20))),
        lambda: "".join(chr(rng.randint(1, 127)) for _ in range(rng.randint(1, 60))),
        lambda: "".join(rng.choice("0123456789") for _ in range(rng.randint(1, 20))) + rng.choice(WORDS),
        lambda: rng.choice(WORDS)[:1] * rng.randint(1, 300),
        lambda: "".join(rng.choice(specials + SPACES[:4] + WORDS[:9]) for _ in range(rng.randint(1, 10))),
        lambda: rng.choice(SPACES) + rng.choice(specials) + rng.choice(SPACES) + rng.choice(WORDS),
    ]
    strings = [b"", b" ", b"\n", b"\x00", b"a", b"\xe2\x96\x81", b" \xe2\x96\x81 a"]
    while len(strings) < count:
        kind = rng.randint(0, len(makers) + 2)
        if kind < len(makers):
            strings.append(makers[kind]().encode("utf-8"))
        elif kind == len(makers) and files:
            lines = rng.choice(files)
            start = rng.randrange(len(lines))
            strings.append("".join(lines[start : start + rng.randint(1, 25)]).encode("utf-8"))
        elif kind == len(makers) + 1:
            parts = [rng.choice(BROKEN) if rng.random() < 0.5 else rng.choice(WORDS + EMOJI).encode("utf-8") for _ in range(rng.randint(1, 8))]
            strings.append(b" ".join(parts) if rng.random() < 0.5 else b"".join(parts))
        else:
            strings.append(bytes(rng.randrange(256) for _ in range(rng.randint(1, 40))))
    return strings
