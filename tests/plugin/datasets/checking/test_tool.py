"""tools/check_dataset.py, called in this process: exit codes, what it writes, what it refuses."""

import json
import runpy
import sys

import pytest
from PIL import Image

from tests.places import ROOT
from tests.plugin.datasets.checking.damages import DAMAGES
from tests.plugin.datasets.checking.sound_set import HEIGHT, WIDTH, sound_coco, written

TOOL = ROOT / "tools" / "check_dataset.py"


@pytest.fixture
def tool(monkeypatch, capsys):
    """Calls the tool; returns its exit code and all that it said."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["check_dataset.py", *map(str, arguments)])
        try:
            runpy.run_path(str(TOOL), run_name="__main__")
            code = 0
        except SystemExit as end:
            code = end.code
        said = capsys.readouterr()
        return code, said.out + said.err

    return call


@pytest.fixture
def dataset(tmp_path):
    """Writes a set with the damages of some rules; returns the arguments that name it."""

    def write(*rule_ids):
        coco = sound_coco()
        (tmp_path / "images").mkdir()
        for number, image in enumerate(coco["images"]):
            picture = Image.new("RGB", (WIDTH, HEIGHT), (60 * number, 10, 10))
            picture.save(tmp_path / "images" / image["file_name"])
        for rule_id in rule_ids:
            DAMAGES[rule_id][0](coco)
        written(coco, tmp_path / "a.json")
        return ["--images", tmp_path / "images", "--annotations", tmp_path / "a.json"]

    return write


def test_a_sound_set_ends_with_0(tool, dataset):
    code, said = tool(*dataset())
    assert code == 0 and "ERRORS" not in said and "images-few" in said


def test_errors_end_with_1_and_warnings_do_not(tool, dataset, tmp_path):
    arguments = dataset("box-corners", "mask-full")
    code, said = tool(*arguments)
    assert code == 1 and "box-corners (1)" in said and "mask-full (1)" in said
    code, said = tool(*arguments, "--fix", tmp_path / "fixed.json")
    assert code == 1 and "1 in all" in said and "box-corners" in said.splitlines()[-1]
    code, said = tool(*arguments[:2], "--annotations", tmp_path / "fixed.json")
    assert code == 0 and "box-corners" not in said and "mask-full (1)" in said


def test_the_printed_command_fixes(tool, dataset):
    _, said = tool(*dataset("box-corners", "category-id-repeated"))
    command = said.splitlines()[-1].split()
    assert command[:2] == ["python", "tools/check_dataset.py"]
    code, said = tool(*command[2:])
    assert code == 1 and said.splitlines()[-1] == "Errors that are left: category-id-repeated."


def test_what_is_wrong_with_the_files_is_fixed_too(tool, dataset, tmp_path):
    arguments = dataset()
    (tmp_path / "images/2.png").write_bytes((tmp_path / "images/2.png").read_bytes()[:60])
    (tmp_path / "images/3.png").unlink()
    code, said = tool(*arguments, "--fix", tmp_path / "fixed.json")
    assert code == 1 and "image-missing (1)" in said and "image-truncated (1)" in said
    assert "Going to be removed: 2 of 3 images, 4 of 7 annotations." in said
    fixed = json.loads((tmp_path / "fixed.json").read_text())
    assert [image["id"] for image in fixed["images"]] == [1]
    assert {row["image_id"] for row in fixed["annotations"]} == {1}


def test_a_wrong_folder_does_not_empty_the_file(tool, dataset, tmp_path):
    arguments = dataset()
    (tmp_path / "other").mkdir()
    code, said = tool("--images", tmp_path / "other", *arguments[2:], "--fix", tmp_path / "fixed.json")
    assert code == 1 and "would remove all 3 images (image-missing), so nothing is written" in said.splitlines()[-1]
    assert not (tmp_path / "fixed.json").exists()


def test_quick_decodes_nothing(tool, dataset, tmp_path):
    arguments = dataset("area-wrong")
    (tmp_path / "images/2.png").write_bytes(b"no picture")
    code, said = tool(*arguments, "--quick")
    assert code == 0 and "area-wrong" not in said and "image-unreadable" not in said


def test_two_splits_and_the_report(tool, dataset, tmp_path):
    arguments = dataset()
    val = ["--val-images", tmp_path / "images", "--val-annotations", tmp_path / "a.json"]
    code, said = tool(*arguments, *val, "--json", tmp_path / "report.json")
    assert code == 1 and "image-in-both in val (3)" in said
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["ok"] is False and report["findings"][0]["rule"] == "image-in-both"


def test_without_images_the_files_are_not_looked_at(tool, dataset):
    code, said = tool(*dataset()[2:])
    assert code == 0 and "the image files were not looked at" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--fix", "a.json"], "a.json exists already, and nothing is overwritten"),
        (["--fix", "b.json", "--json", "b.json"], "b.json would be written twice"),
        (["--val-fix", "b.json"], "--val-images and --val-fix need --val-annotations"),
        (["--detections-per-image", "0"], "--detections-per-image must be at least 1, but 0 was given"),
    ],
)
def test_refusals(tool, dataset, tmp_path, monkeypatch, arguments, words):
    given = dataset()
    monkeypatch.chdir(tmp_path)
    code, said = tool(*given, *arguments)
    assert code == 1 and words in said and len(said.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "images"]


def test_no_file(tool, tmp_path):
    code, said = tool("--annotations", tmp_path / "none.json")
    assert code == 1 and said.startswith("error: The COCO file") and len(said.splitlines()) == 1
