"""Mutants of a source file: one small change each, found in the syntax tree and spliced into the text."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

COMPARISONS = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
}
ARITHMETIC = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "/"),
    ast.Mod: ("%", "*"),
    ast.Pow: ("**", "*"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"),
    ast.MatMult: ("@", "*"),
}
_PAIRS = (
    ("min", "max"),
    ("minimum", "maximum"),
    ("floor", "ceil"),
    ("any", "all"),
    ("argmin", "argmax"),
    ("sf", "cdf"),
    ("isf", "ppf"),
    ("log1p", "log"),
    ("expm1", "exp"),
    ("cumsum", "cumprod"),
    ("hstack", "vstack"),
)
NAMES = {**dict(_PAIRS), **{b: a for a, b in _PAIRS}}
"""Functions that are easily taken for one another."""

_SKIPPED_FUNCTIONS = frozenset({"__repr__", "__str__", "_repr_html_", "_report", "__dir__"})


@dataclass(frozen=True, order=True)
class Mutant:
    """One change of one file.

    Attributes
    ----------
    path : str
        File, relative to the root of the repository.
    line, column : int
        Where the change starts, the line from 1 and the column (in characters) from 0.
    kind : str
        What sort of change.
    old, new : str
        Replaced text, and what stands there instead.
    start, end : int
        Range of characters that is replaced.
    """

    path: str
    line: int
    column: int
    kind: str
    old: str
    new: str
    start: int
    end: int

    @property
    def name(self) -> str:
        """Identify the mutant in tables."""
        return f"{self.path}:{self.line}:{self.column} {self.kind}: {_short(self.old)} -> {_short(self.new)}"

    def apply(self, source: str) -> str:
        """Return the source with the change."""
        assert source[self.start : self.end] == self.old
        return source[: self.start] + self.new + source[self.end :]


def _short(text: str, width: int = 60) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= width else flat[: width - 3] + "..."


def mutants(source: str, path: str) -> list[Mutant]:
    """List all mutants of a source text, in the order of the text."""
    return sorted(set(_Finder(source, path).found()))


class _Finder:
    """Walks the syntax tree with the offsets of its lines."""

    def __init__(self, source: str, path: str) -> None:
        self.source = source
        self.path = path
        self.tree = ast.parse(source)
        self.lines = source.splitlines(keepends=True)
        self.offsets = [0]
        for line in self.lines:
            self.offsets.append(self.offsets[-1] + len(line))

    def found(self) -> Iterator[Mutant]:
        for node in _executed(self.tree):
            yield from self._of_node(node)

    def _at(self, line: int, column: int) -> int:
        """Offset in characters; the tree counts columns in bytes."""
        return self.offsets[line - 1] + len(self.lines[line - 1].encode()[:column].decode())

    def _range(self, node: ast.AST) -> tuple[int, int]:
        return self._at(node.lineno, node.col_offset), self._at(node.end_lineno, node.end_col_offset)

    def _change(self, start: int, end: int, new: str, kind: str) -> Mutant:
        line = self.source.count("\n", 0, start) + 1
        return Mutant(
            self.path, line, start - self.offsets[line - 1], kind, self.source[start:end], new, start, end
        )

    def _between(self, left: ast.AST, right: ast.AST, old: str, new: str, kind: str) -> Iterator[Mutant]:
        start, end = self._range(left)[1], self._range(right)[0]
        at = self.source.find(old, start, end)
        if at >= 0:
            yield self._change(at, at + len(old), new, kind)

    def _of_node(self, node: ast.AST) -> Iterator[Mutant]:
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            for left, right, operator in zip(sides, sides[1:], node.ops):
                if type(operator) in COMPARISONS:
                    yield from self._between(left, right, *COMPARISONS[type(operator)], "comparison")
        elif isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC and not _is_text(node):
            yield from self._between(node.left, node.right, *ARITHMETIC[type(node.op)], "arithmetic")
        elif isinstance(node, ast.AugAssign) and type(node.op) in ARITHMETIC:
            old, new = ARITHMETIC[type(node.op)]
            yield from self._between(node.target, node.value, old + "=", new + "=", "arithmetic")
        elif isinstance(node, ast.BoolOp):
            old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
            for left, right in zip(node.values, node.values[1:]):
                yield from self._between(left, right, f" {old} ", f" {new} ", "logic")
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Not):
            start, end = self._range(node)
            inner = start + (1 if isinstance(node.op, ast.USub) else 3)
            yield self._change(start, end, f"({self.source[inner:end].strip()})", "sign")
        elif isinstance(node, ast.Constant):
            yield from self._constant(node)
        elif isinstance(node, ast.Call):
            yield from self._name(node.func)
        elif isinstance(node, ast.If | ast.While | ast.IfExp):
            start, end = self._range(node.test)
            yield self._change(start, end, f"(not ({self.source[start:end]}))", "condition")
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            yield self._change(*self._range(node), "pass", "statement")
        elif isinstance(node, ast.Break | ast.Continue):
            new = "continue" if isinstance(node, ast.Break) else "break"
            yield self._change(*self._range(node), new, "loop")

    def _constant(self, node: ast.Constant) -> Iterator[Mutant]:
        value = node.value
        if isinstance(value, bool):
            yield self._change(*self._range(node), repr(not value), "constant")
        elif isinstance(value, int):
            yield self._change(*self._range(node), repr(value + 1), "constant")
        elif isinstance(value, float):
            yield self._change(*self._range(node), repr(value * 1.5 if value else 1.0), "constant")

    def _name(self, function: ast.AST) -> Iterator[Mutant]:
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        if name in NAMES and (isinstance(function, ast.Attribute) or name in ("min", "max", "any", "all")):
            end = self._range(function)[1]
            yield self._change(end - len(name), end, NAMES[name], "function")


def _is_text(node: ast.BinOp) -> bool:
    sides = (node.left, node.right)
    return any(
        isinstance(s, ast.JoinedStr) or (isinstance(s, ast.Constant) and isinstance(s.value, str))
        for s in sides
    )


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    """Walk what is executed and matters: no annotations, decorators, messages, texts, representations."""
    yield node
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "type_params", "bases"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not _is_skipped(child):
                yield from _executed(child)


def _is_skipped(node: ast.AST) -> bool:
    if isinstance(node, ast.Raise | ast.JoinedStr | ast.Import | ast.ImportFrom | ast.Assert):
        return True
    if isinstance(node, ast.FunctionDef) and node.name in _SKIPPED_FUNCTIONS:
        return True
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return True
    if isinstance(node, ast.Assign) and _assigns_alias(node.value):
        return True
    return isinstance(node, ast.AnnAssign) and "TypeAlias" in ast.unparse(node.annotation)


def _assigns_alias(value: ast.AST) -> bool:
    return isinstance(value, ast.Subscript) and ast.unparse(value.value) in (
        "Literal",
        "Callable",
        "dict",
        "tuple",
    )
