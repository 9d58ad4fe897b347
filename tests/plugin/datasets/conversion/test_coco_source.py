"""What of a COCO file cannot become another format is left out and named; if nothing is left, nothing is written."""

import json

import pytest

from maskrcnn_project.datasets.conversion.coco_source import ANNOTATION, IMAGE, read_source, usable_part
from maskrcnn_project.datasets.conversion.counts import Counts
from maskrcnn_project.datasets.conversion.labelme import read_labelme, write_labelme
from maskrcnn_project.datasets.conversion.yolo import read_yolo
from maskrcnn_project.datasets.conversion.yolo_writer import write_yolo
from maskrcnn_project.errors import DatasetError


@pytest.fixture(params=["labelme", "yolo"])
def write(request):
    return {"labelme": write_labelme, "yolo": write_yolo}[request.param]


BROKEN = [
    ({"size": [6, 8], "counts": "b'Q<f0Z1'"}, "or cannot be read"),  # a Python text of bytes
    ({"size": [6, 8], "counts": ""}, "or cannot be read"),
    ({"size": [6, 8], "counts": "o"}, "or cannot be read"),  # ends within a number
    ({"size": [6, 8], "counts": [3, 4]}, "do not fill the 6 x 8 pixels of the image"),
    ({"size": [6, 8], "counts": [3, 46]}, "do not fill the 6 x 8 pixels of the image"),
    ({"size": [6, 8], "counts": [50, -2]}, "do not fill the 6 x 8 pixels of the image"),
    ({"size": [6, 8]}, "its run lengths have the counts None"),
    ({"size": [8, 6], "counts": [48]}, "size [8, 6], but the image has [height, width] = [6, 8]"),
    ({"counts": [48]}, "its run lengths have the size None"),
    ([[0, 0, 4, 0, float("nan"), 4]], "polygon 0 holds nan"),
    ([0, 0, 4, 0, 4, 4], "one list of 6 numbers"),
    ([[0, 0, 4, 0, "4", 4]], "polygon 0 is [0, 0, 4, 0, '4', 4]"),
]


@pytest.mark.parametrize(("segmentation", "fault"), BROKEN)
def test_a_mask_that_cannot_be_drawn_costs_its_annotation(hard_set, tmp_path, write, segmentation, fault):
    hard_set.annotations[3]["segmentation"] = segmentation
    left_out = write(hard_set, tmp_path / "new")
    assert left_out.counts == {ANNOTATION: 1}
    named = "all.json: annotation 4 of the image deep/b.jpg (6x8, height x width) has a mask that cannot be drawn: "
    assert named in left_out.table() and fault in left_out.table()


def test_nothing_left_is_an_error_and_nothing_is_written(hard_set, tmp_path, write):
    for row in hard_set.annotations:
        row["segmentation"] = {"size": [1, 1], "counts": [1]}
    with pytest.raises(DatasetError, match=r"annotation 1 .*; 5 more cannot be used either, so that no object is left"):
        write(hard_set, tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["../a.png", "/a.png", "deep\\b.jpg", "nowhere.png"])
def test_an_image_that_is_not_below_its_folder_costs_itself(hard_set, tmp_path, write, name):
    hard_set.images[0]["file_name"] = name
    left_out = write(hard_set, tmp_path / "new")
    assert left_out.counts == {IMAGE: 1}
    words = "is not in" if name == "nowhere.png" else "should be a path below the image folder"
    assert words in left_out.table()
    assert {path.name for path in tmp_path.iterdir()} == {"photos", "all.json", "new"}
    assert sorted(path.name for path in (tmp_path / "new").rglob("[be]*.*")) == (
        ["b.json", "empty.json"] if write is write_labelme else ["b.txt", "empty.txt"]
    )


def test_an_image_of_another_size_and_one_that_is_none(hard_set, tmp_path, photo, objects_of):
    photo(hard_set.image_root / "a.png", 7, 8)
    (hard_set.image_root / "empty.png").write_bytes(b"no picture")
    left_out = write_labelme(hard_set, tmp_path / "labelme")
    assert left_out.counts == {IMAGE: 2}
    assert "a.png (image id 1) is 7x8 (height x width, upright), but" in left_out.table()
    back = read_labelme(tmp_path / "labelme", hard_set.image_root, annotated_only=True).coco
    assert objects_of(back) == {"deep/b.jpg": objects_of(hard_set.as_dict())["deep/b.jpg"]}
    write_yolo(hard_set, tmp_path / "yolo")
    back = read_yolo(tmp_path / "yolo", tmp_path / "yolo" / "images" / "train", split="train").coco
    assert [row["file_name"] for row in back["images"]] == ["deep/b.jpg"]


def test_a_file_is_read_though_rows_of_it_are_wrong(hard_set):
    content = json.loads(hard_set.path.read_text())
    content["annotations"][0]["image_id"] = 9
    content["annotations"][1]["category_id"] = 9
    content["annotations"][2].pop("category_id")
    content["annotations"][3]["segmentation"] = [[0, 0, 4, 0, float("nan"), 4]]
    content["annotations"][4]["bbox"] = None  # no format wants it
    content["annotations"].append("row")
    hard_set.path.write_text(json.dumps(content))
    left_out = Counts()
    data = usable_part(read_source(hard_set.path, hard_set.image_root), left_out)
    assert [row["id"] for row in data.annotations] == [5, 6] and len(data.images) == 3
    assert left_out.counts == {ANNOTATION: 5}
    assert "annotation 1 has the image_id 9, which no image has" in left_out.table()
    assert "annotation 2 has the category_id 9, which no category has" in left_out.table()
    assert "annotations[2] has no 'category_id'" in left_out.table()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"images": [], "categories": []}, "has no images"),
        ({"images": [{}], "categories": [{"id": 1, "name": "a"}]}, "has no 'id'"),
        ({"images": [{}], "categories": [{"id": 1, "name": "a"}], "annotations": {}}, "'annotations' should be a list"),
    ],
)
def test_a_file_that_is_none(tmp_path, content, words):
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(DatasetError, match=words):
        read_source(tmp_path / "a.json", tmp_path)
