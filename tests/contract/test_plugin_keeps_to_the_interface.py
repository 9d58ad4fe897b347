"""
The plugin, the tools and these contract tests use only what the real Detectron2 has.

Read from the source: every ``detectron2`` module and name that is imported must be on the list of the public
interface (tests/golden/detectron2_api.json), and every keyword given to such a name must be a parameter of it.
"""

import ast
import re
from pathlib import Path

import pytest

from tests.contract.api_list import API, listed_parameters

ROOT = Path(__file__).resolve().parents[2]
PROVIDED = API["provide"]
FILES = sorted(
    file
    for folder in ("maskrcnn_project", "tools", "datasets", "tests/contract")
    for file in (ROOT / folder).rglob("*.py")
    if "standin" not in file.parts and "shapes" not in file.parts
)


def problems(source: str) -> list[str]:
    """What ``source`` uses of detectron2 that the list does not hold."""
    tree = ast.parse(source)
    imported: dict[str, tuple[str, str]] = {}  # local name -> (module, name)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            unknown = [a.name for a in node.names if a.name.split(".")[0] == "detectron2" and not is_module(a.name)]
            found += [f"no module {name}" for name in unknown]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "detectron2":
            for alias in node.names:
                if is_module(f"{node.module}.{alias.name}"):
                    continue
                if alias.name not in PROVIDED.get(node.module, {}):
                    found.append(f"{node.module} has no {alias.name}")
                else:
                    imported[alias.asname or alias.name] = (node.module, alias.name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in imported:
            module, name = imported[node.func.id]
            allowed = keywords_of(PROVIDED[module][name])
            given = [k.arg for k in node.keywords if k.arg is not None]
            found += [f"{name} takes no {k}" for k in given if allowed is not None and k not in allowed]
    return found


def is_module(name: str) -> bool:
    return any(module == name or module.startswith(name + ".") for module in PROVIDED)


def keywords_of(entry) -> set[str] | None:
    """Parameter names of a listed function or class; None where anything goes (``**kwargs``, configurable, a value)."""
    text = entry if isinstance(entry, str) else entry["methods"].get("__init__", "(*args, **kwargs)")
    if not text.startswith("(") or "**" in text or (isinstance(entry, dict) and "from_config" in entry["methods"]):
        return None
    return {parameter.name for parameter in listed_parameters(text)}


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.relative_to(ROOT).as_posix())
def test_uses_only_what_detectron2_has(file):
    assert problems(file.read_text("utf-8")) == []


def test_nothing_but_the_provider_asks_which_one_it_runs_on():
    asking = [
        file.relative_to(ROOT).as_posix()
        for file in FILES
        if re.search(r"\bstandin\b|detectron2_info\(\)\.kind", file.read_text("utf-8")) and "tests" not in file.parts
    ]
    assert set(asking) <= {"maskrcnn_project/provider.py", "tools/benchmark.py"}  # the benchmark sets both side by side


def test_the_check_sees_strange_names():
    assert problems("from detectron2.utils._refused import refuse") == ["detectron2.utils._refused has no refuse"]
    assert problems("import detectron2.nowhere") == ["no module detectron2.nowhere"]
    code = "from detectron2.data import DatasetFromList as D\nD([], copy=True, shared=True)"
    assert problems(code) == ["DatasetFromList takes no shared"]
