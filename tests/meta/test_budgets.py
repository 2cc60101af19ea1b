"""The few hard numbers of the style: they keep files readable from top to bottom."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(path for folder in ("src", "tests", "benchmarks", "tools") for path in (ROOT / folder).rglob("*.py"))
SOURCES = [path for path in FILES if (ROOT / "src") in path.parents]
LONGEST_FILE = 600
LONGEST_FUNCTION = 60
MOST_METHODS = 20
MOST_PROTOCOL_METHODS = 8
DRAWERS = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}
BROAD = {"wire/server.py", "wire/proxy.py", "control/loop.py", "adapters/"}  # where `except Exception` may stand


def _named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text()))


@pytest.mark.parametrize("path", FILES, ids=_named)
def test_no_file_is_longer_than_the_budget(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST_FILE


@pytest.mark.parametrize("path", SOURCES, ids=_named)
def test_no_function_is_longer_than_the_budget(path: Path) -> None:
    functions = [node for node in _nodes(path) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = {node.name: node.end_lineno - node.lineno + 1 for node in functions if node.end_lineno}

    assert {name: lines for name, lines in long.items() if lines > LONGEST_FUNCTION} == {}


@pytest.mark.parametrize("path", SOURCES, ids=_named)
def test_no_class_has_more_methods_than_the_budget(path: Path) -> None:
    for node in _nodes(path):
        if isinstance(node, ast.ClassDef):
            methods = [item for item in node.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)]
            protocol = any(isinstance(base, ast.Name) and base.id == "Protocol" for base in node.bases)
            port = protocol and "ports" in path.parts

            assert len(methods) <= (MOST_PROTOCOL_METHODS if port else MOST_METHODS), node.name


@pytest.mark.parametrize("path", SOURCES, ids=_named)
def test_the_first_line_of_a_file_says_what_it_holds(path: Path) -> None:
    tree = ast.parse(path.read_text())

    assert not tree.body or ast.get_docstring(tree)


@pytest.mark.parametrize("path", SOURCES, ids=_named)
def test_there_are_no_drawers(path: Path) -> None:
    assert not DRAWERS & {part.removesuffix(".py") for part in path.relative_to(ROOT).parts}


@pytest.mark.parametrize("path", SOURCES, ids=_named)
def test_imports_stand_at_the_top_but_for_optional_engines(path: Path) -> None:
    if "adapters" in path.parts or "salvia_container" in path.parts:
        return
    functions = [node for node in _nodes(path) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    inside = [
        item for function in functions for item in ast.walk(function) if isinstance(item, ast.Import | ast.ImportFrom)
    ]

    assert [ast.unparse(item) for item in inside] == []


@pytest.mark.parametrize("path", SOURCES, ids=_named)
def test_only_boundaries_catch_every_exception(path: Path) -> None:
    if any(part in path.as_posix() for part in BROAD) or "salvia_container" in path.parts:
        return
    handlers = [node for node in _nodes(path) if isinstance(node, ast.ExceptHandler)]
    broad = [
        node.lineno
        for node in handlers
        if node.type is None or ast.unparse(node.type) in {"Exception", "BaseException"}
    ]

    assert broad == []
