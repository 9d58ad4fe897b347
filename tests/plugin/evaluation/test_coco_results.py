import json

import numpy as np
import pytest

from maskrcnn_project.errors import DatasetError
from maskrcnn_project.evaluation.coco_results import read_results
from tests.plugin.evaluation.small_pairs import rectangle

GOOD = {
    "image_id": 1,
    "category_id": 7,
    "bbox": [2, 3, 4, 5],
    "score": 0.5,
    "segmentation": rectangle(2, 3, 6, 8),
}
SIZES = {1: (20, 20), 2: (20, 20)}


def read(folder, *rows):
    (folder / "results.json").write_text(json.dumps(rows))
    return read_results(folder / "results.json", SIZES, [3, 7])


def test_rows_become_columns_by_image(tmp_path):
    table = read(tmp_path, {**GOOD, "image_id": 2}, {**GOOD, "score": 0.25, "category_id": 3}, {**GOOD, "score": 1})
    assert table.image_ids.tolist() == [1, 1, 2]
    assert table.scores.tolist() == [0.25, 1, 0.5]
    assert table.classes.tolist() == [0, 1, 1]
    assert table.boxes.tolist() == [[2, 3, 6, 8]] * 3
    assert table.rows_of(1).tolist() == [0, 1] and table.rows_of(2).tolist() == [2]
    assert table.masks == [GOOD["segmentation"]] * 3


def test_nothing_found(tmp_path):
    table = read(tmp_path)
    assert table.masks == [] and table.boxes.shape == (0, 4) and not len(table.rows_of(1))


def test_boxes_only_and_masks_only(tmp_path):
    assert read(tmp_path, {key: GOOD[key] for key in GOOD if key != "segmentation"}).masks is None
    without_box = {key: GOOD[key] for key in GOOD if key != "bbox"}
    empty = {"size": [20, 20], "counts": rectangle(0, 0, 0, 0)["counts"]}
    table = read(tmp_path, without_box, {**without_box, "segmentation": empty})
    assert table.boxes.tolist() == [[2, 3, 6, 8], [0, 0, 0, 0]]


@pytest.mark.parametrize(
    "change, message",
    [
        ({"image_id": 9}, "detection 0 is of image 9, which the annotation file does not have"),
        ({"image_id": "1"}, "is of image '1'"),
        ({"category_id": 1}, r"category 1, but the classes have the ids \[3, 7\]"),
        ({"category_id": True}, "category True"),
        ({"score": None}, "wants a number as its 'score', but has None"),
        ({"score": float("nan")}, "wants a number as its 'score', but has nan"),
        ({"bbox": [1, 2, 3]}, r"wants a 'bbox' \[x, y, width, height\], but has \[1, 2, 3\]"),
        ({"bbox": [1, 2, -3, 4]}, "wants a 'bbox'"),
        ({"bbox": [1, 2, float("inf"), 4]}, "wants a 'bbox'"),
        ({"segmentation": [[1, 2, 3, 4, 5, 6]]}, "compressed run lengths"),
        ({"segmentation": {"size": [20, 20], "counts": [400]}}, "compressed run lengths"),
        ({"segmentation": {"size": [20, 30], "counts": "0"}}, r"size \[20, 30\], but its image is \[20, 20\]"),
        ({"segmentation": {"size": [20, 20], "counts": "ooo"}}, "run lengths that do not fill"),
        ({"segmentation": {"size": [20, 20], "counts": "é"}}, "run lengths that do not fill"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, change, message):
    with pytest.raises(DatasetError, match=message):
        read(tmp_path, {**GOOD, **change})


def test_half_of_the_masks_missing(tmp_path):
    boxed = {key: GOOD[key] for key in GOOD if key != "segmentation"}
    with pytest.raises(DatasetError, match="1 of 2 detections have masks"):
        read(tmp_path, GOOD, boxed)


def test_neither_box_nor_mask(tmp_path):
    with pytest.raises(DatasetError, match="neither 'bbox' nor 'segmentation'"):
        read(tmp_path, {key: GOOD[key] for key in ("image_id", "category_id", "score")})


@pytest.mark.parametrize("text", ["", "[{]", '{"images": []}', "[1]", "null"])
def test_no_results_file(tmp_path, text):
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(DatasetError, match="is not JSON|should be a list of detections"):
        read_results(tmp_path / "results.json", SIZES, [3])


def test_an_absent_file(tmp_path):
    with pytest.raises(DatasetError, match="does not exist: run the evaluation"):
        read_results(tmp_path / "absent.json", SIZES, [3])


def test_scores_keep_all_their_digits(tmp_path):
    assert read(tmp_path, {**GOOD, "score": 0.1234567890123}).scores.tolist() == [0.1234567890123]
    assert read(tmp_path, {**GOOD, "bbox": [0.1, 0.2, 0.3, 0.4]}).boxes.dtype == np.float64
