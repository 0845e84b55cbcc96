"""Words of the answers: each code has one sentence, and numbers are written as people write them."""

from __future__ import annotations

import re
import string

import pytest

from validstats.evals import sentences as words


@pytest.mark.parametrize("code", sorted(words.SENTENCES))
def test_a_code_has_one_sentence_with_its_fields(code):
    template = words.SENTENCES[code]
    fields = {name for _, name, _, _ in string.Formatter().parse(template) if name}
    verdict = words.say(code, **{name: f"<{name}>" for name in fields})
    assert verdict.code == code
    assert all(f"<{name}>" in verdict.sentence for name in fields)
    assert verdict.sentence.endswith((".", ">"))  # what the items can find is a sentence of its own
    assert "significan" not in verdict.sentence
    assert "{" not in verdict.sentence


@pytest.mark.parametrize("code", sorted(words.SENTENCES))
def test_a_code_is_said_somewhere(code):
    from pathlib import Path

    folder = Path(words.__file__).parent
    sources = [p.read_text(encoding="utf-8") for p in folder.glob("*.py") if p.name != "sentences.py"]
    # Codes of comparisons come from the interval, by their own name.
    directions = {"better", "worse", "same", "not_worse", "undecided"}
    assert code in directions or any(re.search(rf'"{code}"', text) for text in sources)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0363, "p = .036"), (0.0001, "p < .001"), (0.5, "p = .50"), (1.0, "p = 1.00"), (0.0042, "p = .0042")],
)
def test_p_values(value, text):
    assert words.p_words(value) == text


@pytest.mark.parametrize(
    ("n", "text"),
    [(4_873, "4,900"), (38, "38"), (123, "130"), (1e9, "1,000,000,000"), (float("inf"), "very many")],
)
def test_numbers_of_items(n, text):
    assert words.needed(n) == text


def test_points():
    assert words.points(0.02) == "2 points"
    assert words.points(0.01) == "1 point"
    assert words.points(0.0586) == "5.9 points"


def test_names_in_a_sentence():
    assert words.joined_names(["a"]) == "a"
    assert words.joined_names(["a", "b", "c"]) == "a, b and c"
    assert words.joined_names(list("abcdef")) == "a, b, c, d and 2 more"
