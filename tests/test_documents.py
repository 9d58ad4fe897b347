"""What CONTRIBUTING.md and the README say of the code is so."""

import re

import pytest

from tests.places import ROOT

CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "datasets" / "README.md",
             ROOT / "maskrcnn_project" / "standin" / "README.md"]  # fmt: skip


def walk():
    """(file, line, name) of each line reference."""
    references = []
    path = ""
    for before, line, name in re.findall(r"`([\w./]*):(\d+)` `(\w+)`", CONTRIBUTING):
        path = before or path
        references.append((path, int(line), name))
    return references


def test_the_walk_names_the_five_files_and_at_most_two_more():
    files = [path for path, _, _ in walk()]
    five = ("data/dataset_mapper.py", "training/training_step.py", "modeling/meta_arch/rcnn.py",
            "modeling/roi_heads/roi_heads.py", "modeling/roi_heads/mask_head.py")  # fmt: skip
    assert set(five) <= set(files) and len(set(files)) <= 7


@pytest.mark.parametrize(("path", "line", "name"), walk())
def test_a_line_reference_is_where_the_name_is_defined(path, line, name):
    folder = ROOT / "maskrcnn_project" / ("" if path.startswith("training/") else "standin/detectron2")
    lines = (folder / path).read_text("utf-8").splitlines()
    there = [i for i, text in enumerate(lines, start=1) if re.match(rf"\s*(def|class) {name}\b", text)]
    assert line in there, f"{path}: {name} is defined in line {there}, not {line}"


def files_named(document):
    """Paths in backticks or links, as far as they name a file of the repository."""
    text = document.read_text("utf-8")
    names = re.findall(r"`((?:maskrcnn_project|tools|tests|configs|datasets)/[\w./-]+\.(?:py|yaml|md))`", text)
    return names + re.findall(r"\]\(([\w./-]+\.(?:py|md|jpg|png|yaml))\)", text)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_file_that_a_document_names_is_there(document):
    missing = [
        n
        for n in files_named(document)
        if not any((base / n).exists() for base in (ROOT, ROOT / "maskrcnn_project", document.parent))
    ]
    assert not missing
