"""Who may import whom: left may import right, never back. Read from the source: a new file is covered at once."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PLUGIN = ROOT / "maskrcnn_project"
STANDIN = PLUGIN / "standin" / "detectron2"

# The rank of each folder of the stand-in: a file may import folders of its own rank's name or of a lower rank.
RANKS = {
    "model_zoo": 9,
    "export": 9,
    "engine": 8,
    "evaluation": 7,
    "solver": 6,
    "checkpoint": 6,
    "modeling": 5,
    "data": 5,
    "structures": 4,
    "layers": 3,
    "config": 2,
    "utils": 1,
}
# The public path puts these files lower than what they build on; no lower file may import them.
ABOVE_THEIR_FOLDER = {
    "detectron2.modeling.test_time_augmentation": 7,
    "detectron2.utils.visualizer": 7,
    "detectron2.utils.video_visualizer": 8,
    "detectron2.utils.testing": 10,
}


def module_name(file: Path, root: Path) -> str:
    parts = file.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_modules(file: Path, package: str) -> set[str]:
    """Absolute names that ``file`` imports; ``from a.b import c`` gives ``a.b.c``, relative ones are resolved."""
    tree = ast.parse(file.read_text("utf-8"))
    names = set()
    for node in ast.walk(without_type_checking(tree)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, base]) if base else ".".join(parents)
            names.update(f"{base}.{alias.name}" for alias in node.names)
    return names


def without_type_checking(tree: ast.Module) -> ast.Module:
    """``tree`` less its ``if TYPE_CHECKING:`` blocks: naming a type in a signature imports nothing."""
    tree.body = [n for n in tree.body if not (isinstance(n, ast.If) and "TYPE_CHECKING" in ast.unparse(n.test))]
    return tree


def rank(name: str) -> int | None:
    """The rank of a dotted name below detectron2, or None for detectron2 itself and for other packages."""
    for module, value in ABOVE_THEIR_FOLDER.items():
        if name == module or name.startswith(module + "."):
            return value
    parts = name.split(".")
    return RANKS.get(parts[1]) if len(parts) > 1 and parts[0] == "detectron2" else None


def standin_files() -> list[Path]:
    return sorted(STANDIN.rglob("*.py"))


@pytest.mark.parametrize("file", standin_files(), ids=lambda f: f.relative_to(STANDIN).as_posix())
def test_standin_imports_only_downwards(file):
    name = module_name(file, STANDIN.parent)
    own = rank(name)
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    # A package's __init__ only re-exports what stands above its folder (the public path demands it).
    above = {m for m in ABOVE_THEIR_FOLDER if file.name == "__init__.py" and m.startswith(package + ".")}
    for imported in imported_modules(file, package):
        assert not imported.startswith("maskrcnn_project"), f"{name} imports the plugin: {imported}"
        assert imported.split(".")[0] not in ("tools", "tests"), f"{name} imports {imported}"
        other = rank(imported)
        if own is None or other is None or any(imported.startswith(m) for m in above):
            continue
        same_folder = name.split(".")[1] == imported.split(".")[1] and other == RANKS[name.split(".")[1]]
        assert other < own or same_folder, f"{name} (rank {own}) imports {imported} (rank {other})"


def test_modeling_and_data_stand_side_by_side():
    for folder, other in (("modeling", "data"), ("data", "modeling")):
        for file in (STANDIN / folder).rglob("*.py"):
            name = module_name(file, STANDIN.parent)
            if name in ABOVE_THEIR_FOLDER:
                continue
            package = name if file.name == "__init__.py" else name.rpartition(".")[0]
            bad = [i for i in imported_modules(file, package) if i.startswith(f"detectron2.{other}")]
            assert not bad, f"{name} imports {bad}"


def test_nothing_imports_tools_or_tests():
    for file in PLUGIN.rglob("*.py"):
        roots = {i.split(".")[0] for i in imported_modules(file, "maskrcnn_project")}
        assert not roots & {"tools", "tests"}, file


@pytest.mark.parametrize("file", sorted((ROOT / "tools").glob("*.py")), ids=lambda f: f.name)
def test_tools_import_the_plugin_first(file):
    """``import maskrcnn_project`` makes ``import detectron2`` work, so it comes first, at module level."""
    body = ast.parse(file.read_text("utf-8")).body
    roots = [
        (n.names[0].name if isinstance(n, ast.Import) else n.module).split(".")[0]
        for n in body
        if isinstance(n, (ast.Import, ast.ImportFrom))
    ]
    foreign = [r for r in roots if r not in sys.stdlib_module_names]
    assert foreign[0] == "maskrcnn_project", f"{file.name} imports {foreign[0]} first"


def test_setup_imports_neither_torch_nor_the_package():
    roots = {i.split(".")[0] for i in imported_modules(ROOT / "setup.py", "")}
    assert roots <= {"re", "pathlib", "setuptools"}
