"""Every problem is worded in every language."""

from __future__ import annotations

import re
from collections import Counter
from importlib import resources
from string import Formatter

import pytest

from engine.problems import Problem, hint, text
from engine.problems.catalogue import LANGUAGES, codes


def names(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name is not None}


def test_both_languages_know_the_same_codes() -> None:
    first, *others = [codes(language).keys() for language in LANGUAGES]
    assert all(other == first for other in others)


@pytest.mark.parametrize("language", LANGUAGES)
def test_codes_are_a_letter_and_three_digits_with_a_text_and_a_hint(language: str) -> None:
    for code, entry in codes(language).items():
        assert re.fullmatch(r"[A-Z]\d{3}", code)
        assert entry.keys() <= {"text", "hint"}
        assert entry["text"]


def test_texts_of_all_languages_ask_for_the_same_parameters() -> None:
    for code, entry in codes("en").items():
        chinese = codes("zh-CN")[code]
        asked = names(entry["text"]) | names(entry.get("hint", ""))
        assert asked == names(chinese["text"]) | names(chinese.get("hint", "")), code


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_code_stands_twice_in_one_file(language: str) -> None:
    for entry in (resources.files("engine.problems") / "texts" / language).iterdir():
        found = re.findall(r'"([A-Z]\d{3})":', entry.read_text(encoding="utf-8"))
        assert [code for code, count in Counter(found).items() if count > 1] == []


def test_parameters_are_shown_in_the_readers_language() -> None:
    problem = Problem("D061", {"role": "slaes", "guess": "sales", "allowed": ["sales", "boss"]})
    assert text(problem, "en") == "There is no role “slaes”"
    assert "sales、boss" in hint(problem, "zh-CN")
    assert "sales, boss" in hint(problem, "en")
    assert text(problem, "fr") == text(problem, "zh-CN")


def test_what_has_nothing_to_say_is_left_out() -> None:
    params = {"entity": "custommer", "guess": "customer", "allowed": ["customer"]}
    assert hint(Problem("D062", params), "en") == "Did you mean “customer”? Entities: customer"
    assert hint(Problem("D062", {**params, "guess": ""}), "en") == "Entities: customer"


def test_an_authors_own_words_win() -> None:
    problem = Problem("D061", message={"en": "No such role here"})
    assert text(problem, "en") == "No such role here"


def test_pointers_grow_from_the_inside_out() -> None:
    problem = Problem("D061", pointer="/email").under("/contacts/0")
    assert (problem.pointer, problem.field) == ("/contacts/0/email", "contacts")
    assert Problem("D061").field == ""
