"""An expression as a sentence, for rule lists and for people who do not read formulas."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

from engine.expressions.tree import (
    Arithmetic,
    Attribute,
    Call,
    Choice,
    Compare,
    Items,
    Literal,
    Logic,
    Name,
    Negative,
    Node,
    Not,
    Path,
    path_of,
)
from engine.expressions.values import as_text

Titles = Callable[[Path], str]
Words = Mapping[str, str]

_CHINESE: Final[Words] = {
    "==": "{a}等于{b}",
    "!=": "{a}不等于{b}",
    "<": "{a}小于{b}",
    "<=": "{a}不超过{b}",
    ">": "{a}大于{b}",
    ">=": "{a}不小于{b}",
    "in": "{a}属于{b}",
    "within": "{a}在{b}之内（含下级）",
    "empty": "{a}为空",
    "filled": "{a}不为空",
    "and": "并且",
    "or": "或者",
    "not": "并非（{a}）",
    "not in": "{a}不属于{b}",
    "if": "如果{test}则{then}，否则{otherwise}",
    ".": "{a}的{b}",
    "null": "空",
    "true": "是",
    "false": "否",
    "list": "、",
    "text": "“{a}”",
    "is": "{a}为是",
    "sum": "{a}之和",
    "count": "{a}的数量",
    "avg": "{a}的平均值",
    "min": "{a}的最小值",
    "max": "{a}的最大值",
    "any": "至少一行满足：{a}",
    "all": "每一行都满足：{a}",
    "where": "{a}（仅当{b}）",
    "len": "{a}的长度",
    "today": "今天",
    "now": "现在",
    "contains": "{a}包含{b}",
    "startswith": "{a}以{b}开头",
    "has_role": "{a}具有角色{b}",
    "In": "流程处于{a}",
    "participant": "本人参与其流程",
    "shared": "已共享给本人",
    "age": "{a}至今的周岁",
    "date": "{a}",
    "brackets": "（{a}）",
}
_ENGLISH: Final[Words] = {
    "==": "{a} is {b}",
    "!=": "{a} is not {b}",
    "<": "{a} is less than {b}",
    "<=": "{a} is at most {b}",
    ">": "{a} is more than {b}",
    ">=": "{a} is at least {b}",
    "in": "{a} is one of {b}",
    "within": "{a} is {b} or below it",
    "empty": "{a} is empty",
    "filled": "{a} is filled in",
    "and": " and ",
    "or": " or ",
    "not": "not ({a})",
    "not in": "{a} is none of {b}",
    "if": "{then} if {test}, else {otherwise}",
    ".": "{b} of {a}",
    "null": "nothing",
    "true": "yes",
    "false": "no",
    "list": ", ",
    "text": '"{a}"',
    "is": "{a} is set",
    "sum": "the sum of {a}",
    "count": "the number of {a}",
    "avg": "the average of {a}",
    "min": "the smallest of {a}",
    "max": "the largest of {a}",
    "any": "at least one row has {a}",
    "all": "every row has {a}",
    "where": "{a} where {b}",
    "len": "the length of {a}",
    "today": "today",
    "now": "now",
    "contains": "{a} contains {b}",
    "startswith": "{a} begins with {b}",
    "has_role": "{a} has the role {b}",
    "In": "the workflow is in {a}",
    "participant": "the user takes part in its workflow",
    "shared": "it is shared with the user",
    "age": "the age since {a}",
    "date": "{a}",
    "brackets": "({a})",
}
_ROOTS: Final[Mapping[str, tuple[str, str]]] = {
    "me": ("当前用户", "the user"),
    "old": ("原记录", "the record before"),
    "my.dept": ("当前用户的部门", "the user's department"),
    "my.departments": ("当前用户的部门及下级", "the user's departments"),
    "event": ("事件", "the event"),
    "starter": ("发起人", "the starter"),
    "id": ("编号", "the number"),
}


def _untitled(_path: Path) -> str:
    """For a reader who knows the names."""
    return ""


def explain(node: Node, language: str, title: Titles = _untitled) -> str:
    """The expression as a sentence in `language`.

    title: path -> label of that field in the language, "" when it has none: then the name stands.
    """
    chinese = language.startswith("zh")
    return _Speaker(_CHINESE if chinese else _ENGLISH, chinese, title).say(node)


class _Speaker:
    def __init__(self, words: Words, chinese: bool, title: Titles) -> None:
        self._words = words
        self._chinese = chinese
        self._title = title

    def say(self, node: Node) -> str:
        """One node."""
        match node:
            case Literal(value=value):
                return self._literal(value)
            case Name() | Attribute():
                return self._path(node)
            case Negative(operand=operand):
                return f"-{self._inner(operand)}"
            case Not(operand=Compare(op="in", left=left, right=right)):
                return self._put("not in", a=self.say(left), b=self.say(right))
            case Not(operand=operand):
                return self._put("not", a=self.say(operand))
            case Logic(op=op, parts=parts):
                return self._words[op].join(self._clause(part) for part in parts)
            case Arithmetic(op=op, left=left, right=right):
                return f"{self._inner(left)} {_SIGNS.get(op, op)} {self._inner(right)}"
            case Compare():
                return self._compare(node)
            case Choice(test=test, then=then, otherwise=otherwise):
                return self._put(
                    "if",
                    test=self._clause(test),
                    then=self._inner(then),
                    otherwise=self._inner(otherwise),
                )
            case Items(parts=parts):
                return self._words["list"].join(self.say(part) for part in parts)
            case Call():
                return self._call(node)
        return ""

    def _put(self, key: str, **parts: str) -> str:
        return self._words[key].format(**parts)

    def _literal(self, value: object) -> str:
        if isinstance(value, str):
            return self._put("text", a=value)
        if value is None or isinstance(value, bool):
            return self._words["null" if value is None else str(value).lower()]
        return as_text(value if isinstance(value, Decimal) else Decimal(str(value)))

    def _path(self, node: Node) -> str:
        path = path_of(node) or ()
        if label := self._title(path) or self._root(path):
            return label
        if isinstance(node, Attribute):
            return self._put(".", a=self.say(node.base), b=node.name)
        return path[0] if path else ""

    def _root(self, path: Path) -> str:
        found = _ROOTS.get(".".join(path))
        return found[0 if self._chinese else 1] if found else ""

    def _compare(self, node: Compare) -> str:
        if node.op in ("==", "!=") and node.right == Literal(None):
            return self._put("empty" if node.op == "==" else "filled", a=self.say(node.left))
        return self._put(node.op, a=self._inner(node.left), b=self._inner(node.right))

    def _clause(self, node: Node) -> str:
        """A part of a condition: a bare yes/no field needs a verb."""
        if isinstance(node, Name | Attribute):
            return self._put("is", a=self.say(node))
        said = self.say(node)
        return self._put("brackets", a=said) if isinstance(node, Logic | Choice) else said

    def _inner(self, node: Node) -> str:
        said = self.say(node)
        loose = isinstance(node, Arithmetic | Compare | Logic | Choice)
        return self._put("brackets", a=said) if loose else said

    def _call(self, node: Call) -> str:
        said = [self.say(part) for part in node.parts]
        name = node.function
        if name in ("min", "max") and len(said) > 1 and not isinstance(node.parts[1], Compare):
            return self._plain(name, said)
        if name in ("sum", "count", "avg", "min", "max"):
            whole = self._put(name, a=said[0])
            return self._put("where", a=whole, b=said[1]) if len(said) > 1 else whole
        if name == "has_role":
            return self._put(name, a=said[0], b=self._words["or"].join(said[1:]))
        if name not in self._words or (name == "date" and len(said) > 1):
            return self._plain(name, said)
        return self._put(name, **dict(zip("ab", said, strict=False)))

    @staticmethod
    def _plain(name: str, said: list[str]) -> str:
        """A function without a phrase of its own reads well enough as it is written."""
        return f"{name}({', '.join(said)})"


_SIGNS: Final[Words] = {"*": "×", "/": "÷", "-": "−"}
