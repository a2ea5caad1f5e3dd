"""The list that ``?`` shows names every key that does something, and no other."""

import re
from collections import Counter
from pathlib import Path

from app.web.pages.browse import KEYS

SCRIPT = Path(__file__).parents[2] / "assets" / "80-keys.js"
#: As the list writes keys, where that is not their name; the last ones are those of row labels.
WRITTEN = {"←": "ArrowLeft", "→": "ArrowRight", "−": "-", "Esc": "Escape"}
OF_LABELS = {"Tab", "↑", "↓", "Enter", "Del"}
#: The same key with Shift, or as other keyboards have it.
SAME = {"=": "+", "<": ",", ";": ",", ">": ".", ":": "."}


def bound() -> list[str]:
    (block,) = re.findall(r"const keys = \{\n(.*?)\n  \};", SCRIPT.read_text(), re.DOTALL)
    return [name.strip('"') for name in re.findall(r'^    ("[^"]+"|\w+):', block, re.MULTILINE)]


def test_no_key_does_two_things() -> None:
    assert [name for name, n in Counter(bound()).items() if n > 1] == []


def test_the_list_of_keys_is_true_and_complete() -> None:
    listed = {
        WRITTEN.get(word, word)
        for keys, _ in KEYS
        for word in keys.split()
        if word != "or" and word not in OF_LABELS
    }
    assert listed == {SAME.get(name, name) for name in bound()}
