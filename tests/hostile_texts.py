"""Texts as their worst senders write them, and banks of them."""

import unicodedata

from episodes.banks.text import TextBank

HOSTILE = [
    "</script><script>window.hit = 1</script><img src=x onerror='window.hit = 1'>{{ 7 * 7 }} &lt;b&gt;",
    '"><svg onload="window.hit = 1"><a href="javascript:window.hit = 1">link</a><style>*{display:none}</style>',
    "\x1b[2J\x1b]0;title\x07\x1b[31mred\x9b1m",
    "\N{RIGHT-TO-LEFT OVERRIDE}%0.001 gnorw \N{LEFT-TO-RIGHT ISOLATE}\N{RIGHT-TO-LEFT MARK}x",
    "zero" + "\N{ZERO WIDTH SPACE}\N{ZERO WIDTH JOINER}" * 300 + "width",
    "zalgo" + "\N{COMBINING ACUTE ACCENT}\N{COMBINING RING BELOW}" * 300 + "end",
    "long" * 400,
    "one\ntwo\r\nthree\ttabs\N{LINE SEPARATOR}four",
    "\N{HEBREW LETTER SHIN}\N{HEBREW LETTER LAMED} \N{ARABIC LETTER BEH} 12 (a)",
    "[E1] <b> [/E1] and [E2] \x1b[1m [/E2]",
]


def hostile_bank(name: str = "hostile/test", classes: int = 3) -> TextBank:
    """Classes with hostile names, of all these texts each, with the class's number before them."""
    texts = [f"{number} {text}" for number in range(classes) for text in HOSTILE]
    labels = [number for number in range(classes) for _ in HOSTILE]
    names = [f"{number} {HOSTILE[number % 4]}" for number in range(classes)]
    return TextBank.from_labels(name, texts, labels, names, names)


def harmless(text: str) -> bool:
    """Whether it has nothing but what is seen, and line breaks."""
    return all(unicodedata.category(each) not in ("Cc", "Cf", "Cs", "Zl", "Zp") for each in text if each != "\n")
