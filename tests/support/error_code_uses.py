"""Which error codes the tree makes, read from its syntax.

An expression makes a code where it is the argument, keyword or default of a parameter or field named `code`, is
assigned to a variable of that name, or is returned by a function that is named so. A code that is passed on
(`error.code`, a parameter `code`, a stored column) was made elsewhere. Anything else fails: the reader of this file
then decides what it is.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from stream.error_codes.entry import ErrorKind

FAMILIES = ("stream", "decoders", "models", "sinks")
NAMES = ("code", "deletion_code")
_KINDS = {str(kind) for kind in ErrorKind}


@dataclass(frozen=True, slots=True)
class CodeUse:
    """`kind` is the error class, or None where no class of `stream.errors` is made at this place."""

    code: str
    kind: str | None
    place: str


def code_uses(root: Path) -> list[CodeUse]:
    paths = [path for family in FAMILIES for path in sorted((root / family).rglob("*.py"))]
    trees = {
        str(path.relative_to(root)): ast.parse(path.read_text()) for path in paths if "error_codes" not in path.parts
    }
    constants = dict(constant for tree in trees.values() for constant in _constants(tree))
    return [use for name, tree in trees.items() for use in _Module(name, tree, constants).uses()]


def _constants(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(value))):
                yield name, value


class _Module:
    """The uses in one file. `positions` says at which place functions and classes of the file take a code."""

    def __init__(self, name: str, tree: ast.Module, constants: Mapping[str, str]) -> None:
        self._name = name
        self._tree = tree
        self._constants = constants
        self._tables = dict(_tables(tree))
        self._positions = dict(_positions(tree)) | {"fail": 0}  # `Document.fail(code, message)`

    def uses(self) -> Iterator[CodeUse]:
        for scope in _scopes(self._tree):
            for node in _within(scope):
                yield from self._at(node, scope)

    def _at(self, node: ast.AST, scope: ast.AST) -> Iterator[CodeUse]:
        match node:
            case ast.Call():
                kind = _called(node.func)
                for value in self._arguments(node, kind):
                    yield from self._found(self._codes(value, scope), node.lineno, kind if kind in _KINDS else None)
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value) if name in NAMES:
                yield from self._found(self._codes(value, scope), node.lineno, None)
            case ast.FunctionDef():
                for value in (*_defaults(node), *_returned(node)):
                    yield from self._found(self._codes(value, scope), node.lineno, None)

    def _arguments(self, call: ast.Call, called: str) -> Iterator[ast.expr]:
        yield from (keyword.value for keyword in call.keywords if keyword.arg in NAMES)
        position = self._positions.get(called)
        if position is not None and position < len(call.args):
            yield call.args[position]

    def _found(self, codes: Iterable[str], line: int, kind: str | None) -> Iterator[CodeUse]:
        yield from (CodeUse(code, kind, f"{self._name}:{line}") for code in codes)

    def _assigned(self, scope: ast.AST) -> list[str]:
        """What a scope puts into its own variable `code`, alone or as a part of a tuple."""
        found: list[str] = []
        for node in _within(scope):
            match node:
                case ast.Assign(targets=[ast.Name(id="code")], value=value):
                    found += self._codes(value, scope)
                case ast.Assign(targets=[ast.Tuple(elts=targets)], value=value):
                    for at, target in enumerate(targets):
                        if _is_name(target, "code"):
                            found += self._part(value, at, scope)
        return found

    def _part(self, value: ast.expr, at: int, scope: ast.AST) -> list[str]:
        match value:
            case ast.Tuple(elts=parts):
                return self._codes(parts[at], scope)
            case ast.Subscript(value=ast.Name(id=table)) if table in self._tables:
                return [code for row in self._tables[table] for code in self._part(row, at, scope)]
        raise AssertionError(self._unclear(value))

    def _codes(self, value: ast.expr, scope: ast.AST) -> list[str]:
        match value:
            case ast.Constant(value=None | ""):
                return []
            case ast.Constant(value=str(code)):
                return [code]
            case ast.IfExp(body=first, orelse=second):
                return self._codes(first, scope) + self._codes(second, scope)
            case ast.Name(id=name) if name in self._constants:
                return [self._constants[name]]
            case ast.Name(id="code") if "code" not in _parameters(scope):
                return self._assigned(scope)
            case ast.Name(id="code"):
                return []
        if _passed_on(value):
            return []
        raise AssertionError(self._unclear(value))

    def _unclear(self, value: ast.expr) -> str:
        return f"{self._name}:{value.lineno}: cannot tell which error code {ast.unparse(value)!r} is"


def _passed_on(value: ast.expr) -> bool:
    """A code that an error, an event or a stored row holds already."""
    match value:
        case ast.Attribute(attr=name) if name in NAMES:
            return True
        case ast.Subscript(slice=ast.Constant(value="code")):
            return True
        case ast.Subscript(value=ast.Call(func=ast.Name(id="str"), args=[inner])):
            return _passed_on(inner)
        case ast.Call(func=ast.Name(id=name)) if name in NAMES:
            return True
    return False


def _scopes(tree: ast.Module) -> Iterator[ast.AST]:
    yield tree
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def _within(scope: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a scope and the heads of the functions in it, not their bodies."""
    todo = list(ast.iter_child_nodes(scope))
    while todo:
        node = todo.pop()
        yield node
        if not isinstance(node, ast.FunctionDef):
            todo += ast.iter_child_nodes(node)


def _parameters(scope: ast.AST) -> set[str]:
    if not isinstance(scope, ast.FunctionDef):
        return set()
    return {item.arg for item in (*scope.args.posonlyargs, *scope.args.args, *scope.args.kwonlyargs)}


def _defaults(function: ast.FunctionDef) -> Iterator[ast.expr]:
    positional = [*function.args.posonlyargs, *function.args.args]
    given = positional[len(positional) - len(function.args.defaults) :]
    yield from (value for item, value in zip(given, function.args.defaults, strict=True) if item.arg in NAMES)
    for item, value in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True):
        if item.arg in NAMES and value is not None:
            yield value


def _returned(function: ast.FunctionDef) -> Iterator[ast.expr]:
    """Of a function that is named like a code."""
    if function.name in NAMES:
        yield from (node.value for node in _within(function) if isinstance(node, ast.Return) and node.value)


def _tables(tree: ast.Module) -> Iterator[tuple[str, list[ast.expr]]]:
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Dict(values=rows)):
                yield name, rows


def _positions(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name, args=arguments):
                names = [item.arg for item in arguments.args if item.arg not in {"self", "cls"}]
            case ast.ClassDef(name=name):
                names = [part.target.id for part in node.body if isinstance(part, ast.AnnAssign)
                         and isinstance(part.target, ast.Name)]  # fmt: skip
            case _:
                continue
        if "code" in names:
            yield name, names.index("code")


def _called(function: ast.expr) -> str:
    match function:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _is_name(value: ast.expr, name: str) -> bool:
    return isinstance(value, ast.Name) and value.id == name
