"""Results in either form come out with the data set's ids."""

import json

import pytest

from maskrcnn_project.datasets.result_rows import read_result_rows
from maskrcnn_project.errors import DatasetError

FILES = {7: "a/x.png", 9: "b/x.png", 4: "y.png"}
CLASSES = {3: "nut", 8: "screw"}


def predictions(*images, classes=("screw", "nut")):
    """As predict.py writes them: images and classes numbered by itself."""
    rows = [
        {"id": number, "image_id": number, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 0.5}
        for number in range(1, len(images) + 1)
    ]
    return {
        "annotations": rows,
        "images": [{"id": number, "file_name": name} for number, name in enumerate(images, start=1)],
        "categories": [{"id": number, "name": name} for number, name in enumerate(classes, start=1)],
    }


def read(tmp_path, content):
    path = tmp_path / "results.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_result_rows(path, FILES, CLASSES)


def test_a_list_stays_as_it_is(tmp_path):
    rows = [{"image_id": 7, "category_id": 3, "bbox": [0, 0, 1, 1], "score": 0.5}]
    assert read(tmp_path, rows) == rows and read(tmp_path, []) == []


def test_predictions_are_matched_by_the_names_of_files_and_classes(tmp_path):
    rows = read(tmp_path, predictions("b/x.png", "elsewhere/y.png"))
    assert [(row["image_id"], row["category_id"]) for row in rows] == [(9, 8), (4, 8)]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (predictions("c/x.png"), "c/x.png, but two images of the data set have that name"),
        (predictions("z.png"), "z.png, but the data set lists none so"),
        (predictions("y.png", classes=("bolt",)), "instances of bolt, but the data set has the classes nut, screw"),
        ({"annotations": [{"id": 1}], "images": [], "categories": []}, "without scores, so it is a ground truth"),
        ({"shapes": []}, "should be a list of detections"),
        ("[1, 2]", "should be a list of detections"),
        ('[{"image_id": 1', "is not JSON"),
    ],
)
def test_what_is_neither(tmp_path, content, words):
    with pytest.raises(DatasetError, match=words):
        read(tmp_path, content)
    with pytest.raises(DatasetError, match="does not exist"):
        read_result_rows(tmp_path / "none.json", FILES, CLASSES)
