from pathlib import Path

import numpy as np
import pytest

from maskrcnn_project.errors import DatasetError
from maskrcnn_project.evaluation.metrics.image_pairs import TrueObjects
from maskrcnn_project.evaluation.read_pairs import read_pairs
from tests.plugin.evaluation.small_pairs import image, rectangle, together, write_coco

OBJECT = {"id": 4, "image_id": 1, "category_id": 7, "bbox": [2, 3, 4, 5], "segmentation": rectangle(2, 3, 6, 8)}
FOUND = {key: OBJECT[key] for key in ("image_id", "category_id", "bbox", "segmentation")}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MASKRCNN_CACHE", str(tmp_path / "cache"))


def read(folder, annotations, results, images=((1, 20, 20),), **options):
    paths = write_coco(folder, annotations, results, images)
    return read_pairs(*paths, name="small", image_root=Path("here"), **{"max_detections": 100, **options})


def test_truth_and_found_side_by_side(tmp_path):
    pairs = read(tmp_path, [OBJECT], [{**FOUND, "score": 0.3}], images=((1, 20, 20), (6, 10, 30)))
    assert pairs.class_names == ("cell", "dirt") and pairs.name == "small" and pairs.image_root == Path("here")
    first, second = pairs.pairs
    assert (first.image_id, first.file_name, first.found.size) == (1, "1.png", (20, 20))
    assert first.truth.classes.tolist() == first.found.classes.tolist() == [1]
    assert first.truth.boxes.tolist() == first.found.boxes.tolist() == [[2, 3, 6, 8]]
    assert len(second.truth) == len(second.found) == 0 and second.found.size == (10, 30)


def test_the_surest_come_first_and_equal_scores_in_the_order_of_the_file(tmp_path):
    scores = [0.2, 0.9, 0.5, 0.5, 0.9]
    rows = [{**FOUND, "score": score, "bbox": [number, 0, 1, 1]} for number, score in enumerate(scores)]
    assert read(tmp_path, [OBJECT], rows).pairs[0].found.boxes[:, 0].tolist() == [1, 4, 2, 3, 0]


def test_the_limit_is_of_each_class_as_coco_counts(tmp_path):
    rows = [{**FOUND, "score": 0.5 + number / 10, "category_id": (3, 7, 7)[number % 3]} for number in range(5)]
    found = read(tmp_path, [OBJECT], rows, max_detections=2).pairs[0].found
    assert found.classes.tolist() == [1, 0, 1, 0]
    assert found.scores == pytest.approx([0.9, 0.8, 0.7, 0.5])


def test_images_with_more_objects_than_count_are_named(tmp_path):
    rows = [{**OBJECT, "id": number, "iscrowd": int(number == 3)} for number in range(4)]
    assert read(tmp_path, rows, [], max_detections=2).over_limit == [(1, 3)]
    assert read(tmp_path, rows, [], max_detections=3).over_limit == []


def test_the_models_order_of_classes(tmp_path):
    pairs = read(tmp_path, [OBJECT], [{**FOUND, "score": 0.3}], class_ids=[7, 3])
    assert pairs.class_names == ("dirt", "cell")
    assert pairs.pairs[0].truth.classes.tolist() == pairs.pairs[0].found.classes.tolist() == [0]
    pairs = read(tmp_path, [OBJECT], [], class_ids=[7], class_names=["speck"])
    assert pairs.class_names == ("speck",)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"class_ids": [3, 8]}, "has no category 8"),
        ({"class_ids": [3]}, r"annotation 4 \(image 1\) is of category 7, which is not among the model's \[3\]"),
        ({"class_ids": [3, 7], "class_names": ["one"]}, "one name for each"),
        ({"class_ids": [7, 7]}, "one name for each of different category ids"),
        ({"max_detections": 0}, "at least 1, but is 0"),
    ],
)
def test_what_does_not_fit_is_said(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        read(tmp_path, [OBJECT], [], **options)


def test_results_of_another_set_are_refused(tmp_path):
    with pytest.raises(DatasetError, match="is of image 2"):
        read(tmp_path, [OBJECT], [{**FOUND, "score": 0.3, "image_id": 2}])


def test_objects_with_only_a_box_are_left_out_where_masks_are_compared(tmp_path):
    rows = [OBJECT, {**OBJECT, "id": 5, "segmentation": None}]
    pairs = read(tmp_path, rows, [])
    assert pairs.has_masks and pairs.pairs[0].truth.has_mask.tolist() == [True, False]
    assert pairs.evaluated[0].truth.ids.tolist() == [4]


def test_where_there_are_boxes_only_nothing_is_left_out(tmp_path):
    pairs = read(tmp_path, [{**OBJECT, "segmentation": None}], [{**FOUND, "score": 0.3}])
    assert not pairs.has_masks and pairs.evaluated[0].truth.ids.tolist() == [4]
    assert not together(image(truth=[(0, 0, 0, 4, 4)], found=[(0, 0.9, 0, 0, 4, 4)], masks=False)).has_masks
    assert not together().has_masks


def test_no_objects_keep_their_types():
    nothing, some = TrueObjects.none(), image(truth=[(0, 0, 0, 4, 4)]).truth
    for key in ("ids", "classes", "boxes", "areas", "crowd"):
        empty = getattr(nothing, key)
        assert empty.dtype == getattr(some, key).dtype and empty.shape[1:] == getattr(some, key).shape[1:]
    assert some.kept(np.array([False])).boxes.shape == (0, 4) and nothing.has_mask.dtype == bool
