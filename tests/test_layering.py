"""
Who may import whom: a room imports from lower floors only, no folders form a ring, no files a circle. Read from the
source, imports of types and imports within functions included: a new file is covered at once.
"""

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


def imported_modules(file: Path, package: str, types: bool = False) -> set[str]:
    """
    Absolute names that ``file`` imports; ``from a.b import c`` gives ``a.b.c``, relative ones are resolved.

    Args:
        types: names what is imported for types alone as well.
    """
    tree = ast.parse(file.read_text("utf-8"))
    names = set()
    for node in ast.walk(tree if types else without_type_checking(tree)):
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


# The floors of the plugin (CONTRIBUTING.md). A room imports from lower floors; those of one floor do not know each
# other.
FLOORS = {
    **dict.fromkeys(("files", "errors", "resources", "provider", "config", "masks", "pages"), 1),
    **dict.fromkeys(("modeling", "datasets"), 2),
    **dict.fromkeys(("visualization", "inference", "export"), 3),
    **dict.fromkeys(("evaluation", "prediction"), 4),
    **dict.fromkeys(("training", "serve"), 5),
    **dict.fromkeys(("analysis", "benchmarks"), 6),
}
LOOSE_FILES = {"provider", "config", "resources", "errors", "files"}
MAX_LINES = 400  # of a file


def plugin_files() -> dict[str, Path]:
    """Module name -> file, of all but the stand-in."""
    files = (file for file in PLUGIN.rglob("*.py") if PLUGIN / "standin" not in file.parents)
    return {module_name(file, ROOT): file for file in files}


def all_imports(files: dict[str, Path]) -> dict[str, set[str]]:
    """Module -> the modules among ``files`` that it imports, for types and within functions too."""
    graph = {}
    for name, file in files.items():
        package = name if file.name == "__init__.py" else name.rpartition(".")[0]
        found = set()
        for imported in imported_modules(file, package, types=True):
            while imported and imported not in files:
                imported = imported.rpartition(".")[0]
            if imported and imported != name:
                found.add(imported)
        graph[name] = found
    return graph


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Groups of nodes each of which reaches the others (strongly connected components of more than one)."""
    reach: dict[str, set[str]] = {}
    for start in graph:
        seen, stack = set(), [start]
        while stack:
            for following in graph[stack.pop()]:
                if following not in seen:
                    seen.add(following)
                    stack.append(following)
        reach[start] = seen
    groups = {frozenset(other for other in graph if other in reach[node] and node in reach[other]) for node in graph}
    return sorted(sorted(group) for group in groups if len(group) > 1)


def of_folders(graph: dict[str, set[str]], files: dict[str, Path]) -> dict[str, set[str]]:
    """The same, from folder to folder."""
    folders: dict[str, set[str]] = {}
    for name, imported in graph.items():
        own = files[name].parent.relative_to(ROOT).as_posix()
        others = {files[other].parent.relative_to(ROOT).as_posix() for other in imported}
        folders.setdefault(own, set()).update(others - {own})
    return folders


def test_circles_are_found():
    """The finder itself: a ring of three, a pair, and nodes that only look on."""
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]
    assert circles({"a": {"b"}, "b": {"a"}, "c": {"d"}, "d": set()}) == [["a", "b"]]
    assert circles({"a": {"b"}, "b": set()}) == []


def test_no_circle_of_files():
    assert circles(all_imports(plugin_files())) == []
    standin = {module_name(file, STANDIN.parent): file for file in standin_files()}
    # a package's __init__ hands on what its files hold, and they may import each other by the package's name
    modules = {name: file for name, file in standin.items() if file.name != "__init__.py"}
    assert circles(all_imports(modules)) == []


def test_no_ring_of_folders():
    files = plugin_files()
    graph = {name: imported for name, imported in all_imports(files).items() if name.count(".")}
    graph = {name: {other for other in imported if other in graph} for name, imported in graph.items()}
    assert circles(of_folders(graph, files)) == []


@pytest.mark.parametrize("name", sorted(plugin_files()))
def test_plugin_imports_only_downwards(name):
    files = plugin_files()
    parts = name.split(".")
    if len(parts) == 1:
        return  # the package itself provides Detectron2, and no more
    own = FLOORS[parts[1]]
    for imported in imports_of(name, files):
        room = imported.split(".")[1] if imported.count(".") else None
        if room is None or room == parts[1] or room not in FLOORS:
            continue
        loose = {parts[1], room} & LOOSE_FILES  # they stand beside one another
        assert FLOORS[room] < own or (FLOORS[room] == own == 1 and loose), f"{name} imports {imported}"


def imports_of(name: str, files: dict[str, Path]) -> set[str]:
    """The plugin's modules that one of them imports."""
    file = files[name]
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    return {i for i in imported_modules(file, package, types=True) if i.startswith("maskrcnn_project.")}


def test_every_room_has_a_floor_and_no_file_lies_loose():
    rooms = {path.stem for path in PLUGIN.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert rooms - {"__init__"} == set(FLOORS)
    assert {path.stem for path in PLUGIN.glob("*.py")} - {"__init__"} == LOOSE_FILES


def test_an_underscored_file_of_the_standin_has_two_importers():
    """Who knows Detectron2 finds code under the name that Detectron2 gave it, unless the file would get too long."""
    files = {module_name(file, STANDIN.parent): file for file in standin_files()}
    graph = all_imports(files)
    lines = {name: len(file.read_text("utf-8").splitlines()) for name, file in files.items()}
    for name, file in files.items():
        importers = [other for other, imported in graph.items() if name in imported]
        if not file.name.startswith("_") or file.name == "__init__.py" or len(importers) > 1:
            continue
        assert importers, f"nobody imports {name}"
        together = lines[name] + lines[importers[0]]
        assert together > MAX_LINES, f"{name} has one importer, {importers[0]}: together they have {together} lines"


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
