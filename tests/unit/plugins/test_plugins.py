"""Plugins are validated when they are loaded, and the shipped one keeps its promise."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from engine.definitions.model import Field
from engine.fields import TYPES, Names, bind, registry
from engine.plugins import PluginError, load_plugins

SHIPPED = Path(__file__).parents[3] / "plugins"


@pytest.fixture(autouse=True)
def _own_registry() -> Iterator[None]:
    """Whatever a test registers is forgotten after it."""
    before = dict(registry._types)
    registry._types.pop("rmb", None)  # another test may have loaded the shipped plugins
    yield
    registry._types.clear()
    registry._types.update(before)


def write(folder: Path, text: str) -> Path:
    (folder / "mine").mkdir()
    (folder / "mine" / "plugin.py").write_text(text, encoding="utf-8")
    return folder


def test_the_shipped_plugin_adds_its_type() -> None:
    load_plugins([SHIPPED])
    field = Field("total", "rmb", {"zh-CN": "合计"})
    cell = bind(field).cell(Decimal("1234.05"), "zh-CN", Names())
    assert "rmb" in TYPES
    assert cell.text == "¥1,234.05 壹仟贰佰叁拾肆元零伍分"


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("0", "零元整"),
        ("0.05", "伍分"),
        ("0.50", "伍角整"),
        ("10", "壹拾元整"),
        ("1409.50", "壹仟肆佰零玖元伍角整"),
        ("6007.14", "陆仟零柒元壹角肆分"),
        ("1680.32", "壹仟陆佰捌拾元零叁角贰分"),
        ("107000.53", "壹拾万零柒仟元零伍角叁分"),
        ("16409.02", "壹万陆仟肆佰零玖元零贰分"),
        ("100000000", "壹亿元整"),
        ("100010000", "壹亿零壹万元整"),
        ("10203040.56", "壹仟零贰拾万零叁仟零肆拾元零伍角陆分"),
        ("-3.00", "负叁元整"),
    ],
)
def test_amounts_in_words(amount: str, words: str) -> None:
    load_plugins([SHIPPED])
    from dougong_plugins.rmb_words import in_words  # type: ignore[import-not-found]

    assert in_words(Decimal(amount)) == words


def test_a_plugin_that_cannot_be_imported_is_named(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"'mine'.*ZeroDivisionError"):
        load_plugins([write(tmp_path, "1 / 0")])


def test_an_unknown_hook_is_refused(tmp_path: Path) -> None:
    text = "from engine.hooks import implement\n@implement\ndef fields_types(): return ()\n"
    with pytest.raises(PluginError, match="fields_types"):
        load_plugins([write(tmp_path, text)])


def test_an_unknown_argument_is_refused(tmp_path: Path) -> None:
    text = "from engine.hooks import implement\n@implement\ndef field_types(colour): return ()\n"
    with pytest.raises(PluginError, match="colour"):
        load_plugins([write(tmp_path, text)])


def test_a_taken_name_is_refused_naming_both_owners(tmp_path: Path) -> None:
    text = (
        "from engine.fields.texts import TextType\nfrom engine.hooks import implement\n"
        "class Mine(TextType):\n    name = 'money'\n"
        "@implement\ndef field_types(): return (Mine,)\n"
    )
    with pytest.raises(PluginError, match=r"dougong_plugins\.mine.*MoneyType"):
        load_plugins([write(tmp_path, text)])
