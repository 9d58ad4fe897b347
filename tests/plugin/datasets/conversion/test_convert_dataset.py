"""The tool as a user runs it: both directions, what it prints, and which options it refuses."""

import json
import os
import subprocess
import sys

import pytest

from tests.places import ROOT


def convert(*arguments, code=0):
    """Runs the tool and returns output and errors; fails unless it exits with ``code``."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "tools" / "convert_dataset.py"), *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, f"{arguments} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def test_to_labelme_and_back(hard_set, tmp_path, objects_of):
    output = tmp_path / "labelme"
    said = convert("--to", "labelme", "--input", hard_set.path, "--images", hard_set.image_root, "--output", output)
    assert "3 LabelMe files" in said and 'The classes, in this order: ["screw", "nut"]' in said
    for folder in ("", "/deep"):
        opened = f"labelme {hard_set.image_root}{folder} --output {output}{folder} --labels {output}/labels.txt\n"
        assert f"  {opened}" in said
    new = tmp_path / "new" / "back.json"
    arguments = ["--from", "labelme", "--input", output, "--images", hard_set.image_root, "--output", new]
    said = convert(*arguments, "--classes", "nut, screw")
    assert "3 images, 2 of them with objects; 6 objects." in said
    assert "The order of the classes is the one given." in said
    assert f"python tools/check_dataset.py --images {hard_set.image_root} --annotations {new}" in said
    written = json.loads(new.read_text())
    assert objects_of(written) == objects_of(hard_set.as_dict())
    assert written["categories"] == [{"id": 1, "name": "nut"}, {"id": 2, "name": "screw"}]
    assert "exists already and is not overwritten" in convert(*arguments, code=1)


def test_to_yolo_tells_what_was_left_out(hard_set, tmp_path):
    content = json.loads(hard_set.path.read_text())
    content["annotations"][0]["iscrowd"] = 1
    hard_set.path.write_text(json.dumps(content))
    arguments = ["--input", hard_set.path, "--images", hard_set.image_root, "--output", tmp_path / "yolo"]
    said = convert("--to", "yolo", *arguments, "--split", "val")
    assert "1  crowd region, which YOLO does not know" in said and "in annotation 1 of a.png" in said
    assert (tmp_path / "yolo" / "val.txt").is_file()
    assert "a train split (--split train" in said and said.count("Not kept, as the format has no place for it") == 1
    assert "Still wanted" not in convert("--to", "yolo", *arguments)


def test_what_is_wrong_in_a_file_is_left_out_and_told(hard_set, tmp_path):
    content = json.loads(hard_set.path.read_text())
    content["annotations"][0].update(segmentation=[[0, 0, 4, 0, float("nan"), 4]], attributes={"rust": "no"})
    content["images"][1]["file_name"] = "nowhere.jpg"
    content["categories"][0]["name"] = "cat, big"
    hard_set.path.write_text(json.dumps(content))
    for target, files in (("labelme", "2 LabelMe files are in"), ("yolo", "2 label files are in")):
        output = tmp_path / target
        arguments = ["--input", hard_set.path, "--images", hard_set.image_root, "--output", output]
        said = convert("--to", target, *arguments)
        assert files in said and "1  annotation that cannot be converted\n" in said
        assert "1  image that cannot be used, with its annotations\n" in said
        assert "no place for it: ids of images, annotations and classes, attributes.\n" in said
    arguments = ["--from", "labelme", "--input", tmp_path / "labelme", "--images", hard_set.image_root]
    convert(*arguments, "--output", tmp_path / "b.json", "--classes", '["cat, big", "screw"]')
    back = json.loads((tmp_path / "b.json").read_text())
    assert [row["name"] for row in back["categories"]] == ["cat, big", "screw"]
    assert [row["category_id"] for row in back["annotations"]] == [2, 2]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Give either --from"),
        (["--from", "voc", "--to", "yolo"], "Give either --from"),
        (["--from", "labelme", "--split", "train"], "--split is for yolo, voc only"),
        (["--from", "voc", "--layout", "ids"], "--layout is for masks only"),
        (["--to", "yolo", "--images", "x", "--classes", "a"], "--to writes every class and image"),
        (["--from", "voc", "--labels", "x"], "--labels is for yolo only"),
        (["--to", "yolo", "--images", "x", "--labels", "x"], "--to writes every class and image"),
        (["--from", "masks", "--layout", "ids"], "Name the folder of the images"),
        (["--from", "cvat"], "The image folder images does not exist|There is no file nothing"),
    ],
)
def test_options_that_do_not_go_together(tmp_path, arguments, words):
    said = convert(*arguments, "--input", "nothing", "--output", tmp_path / "new.json", code=1)
    assert said.startswith("error: ") and any(word in said for word in words.split("|"))
    assert not (tmp_path / "new.json").exists()
