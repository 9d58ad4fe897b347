"""The door tools/edit_dataset.py, each command in a process of its own, as a user runs it."""

import json
import os
import subprocess
import sys

import pytest

from maskrcnn_project.datasets.shapes.shapes import ShapesOptions, write_shapes
from tests.places import ROOT


def edit(*arguments, code=0):
    command = [sys.executable, str(ROOT / "tools" / "edit_dataset.py"), *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "shapes"
    write_shapes(root, ShapesOptions(train=9, val=3, size=64))
    return root


def test_tiled_then_split_by_photograph(shapes, tmp_path):
    train = ["--annotations", shapes / "annotations/train.json", "--images", shapes / "train"]
    said = edit("tile", *train, "--output", tmp_path / "tiles", "--size", 40, "--overlap", 10, "--drop-empty")
    assert "9 images became" in said and "show no object and are left out" in said
    tiles = tmp_path / "tiles" / "annotations.json"
    said = edit("split", "--annotations", tiles, "--output", tmp_path, "--parts", "train=0.6", "val=0.2", "test=0.2")
    lines = {line.split()[0]: line.split()[1:] for line in said.splitlines()[1:]}
    assert lines["groups"][-1] == str(sum(map(int, lines["groups"][:-1])))  # no photograph in two parts
    assert (tmp_path / "test.json").is_file()
    said = edit("split", "--annotations", tiles, "--output", tmp_path, code=1)
    assert said.startswith("error: ") and "train.json exists already" in said


def test_merged_then_a_subset(shapes, tmp_path):
    files = [shapes / "annotations/train.json", shapes / "annotations/val.json"]
    folders = [shapes / "train", shapes / "val"]
    said = edit("merge", "--annotations", *files, "--images", *folders, "--output", tmp_path / "both.json")
    assert "12 images" in said and f"found from {shapes}" in said
    subset = ["subset", "--annotations", tmp_path / "both.json", "--output"]
    assert "images" in edit(*subset, tmp_path / "few.json", "--number", 4, "--classes", "circle")
    assert len(json.loads((tmp_path / "few.json").read_text())["images"]) == 4
    edit(*subset, tmp_path / "two.json", "--only", "train/000002.png", "val/000001.png")
    assert len(json.loads((tmp_path / "two.json").read_text())["images"]) == 2
    (tmp_path / "list.txt").write_text("1\n2\n3\n")
    edit(*subset, tmp_path / "three.json", "--only-list", tmp_path / "list.txt")
    assert [row["id"] for row in json.loads((tmp_path / "three.json").read_text())["images"]] == [1, 2, 3]
    assert "wants to know what of" in edit(*subset, tmp_path / "none.json", code=1)
    assert not (tmp_path / "none.json").exists()


def test_a_wrong_expression_is_one_sentence(shapes, tmp_path):
    file = shapes / "annotations/train.json"
    said = edit("split", "--annotations", file, "--output", tmp_path, "--group-by-name", "(", code=1)
    assert said.count("\n") == 1 and "no regular expression" in said


def test_help_loads_no_large_library():
    code = "import sys; sys.argv[1:] = ['--help']; import runpy\n"
    code += (
        f"try: runpy.run_path({str(ROOT / 'tools/edit_dataset.py')!r}, run_name='__main__')\nexcept SystemExit: pass\n"
    )
    code += "print('loaded:', sorted({'torch', 'cv2', 'shapely', 'numpy'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True
    )
    assert b"loaded: []" in done.stdout
