import json
import logging
import os
import shutil

import numpy as np
import pytest

import maskrcnn_project.evaluation.ground_truth as ground_truth
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.evaluation.ground_truth import NO_MASK, read_ground_truth
from maskrcnn_project.masks.coding import decode
from tests.plugin.evaluation.small_pairs import rectangle, write_coco

SQUARE = {"id": 4, "image_id": 1, "category_id": 3, "bbox": [2, 3, 4, 5]}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MASKRCNN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "ground_truth"


def never(*_):
    raise AssertionError("converted again")


def read(folder, *rows, **tables):
    path, _ = write_coco(folder, list(rows), [], **tables)
    return read_ground_truth(path)


def test_every_form_of_a_mask_becomes_run_lengths(tmp_path):
    inside = np.zeros((20, 20), dtype=bool)
    inside[3:8, 2:6] = True
    forms = {
        "polygon": [[2, 3, 6, 3, 6, 8, 2, 8]],
        "compressed": rectangle(2, 3, 6, 8),
        "list of runs": {"size": [20, 20], "counts": [43, 5, 15, 5, 15, 5, 15, 5, 292]},
    }
    rows = [{**SQUARE, "id": number, "segmentation": form} for number, form in enumerate(forms.values())]
    truth = read(tmp_path, *rows)
    for mask in truth.masks:
        assert isinstance(mask["counts"], str)
        np.testing.assert_array_equal(decode(mask, 20, 20), inside)
    assert truth.boxes.tolist() == [[2, 3, 6, 8]] * 3
    assert truth.areas.tolist() == [20] * 3


@pytest.mark.parametrize("segmentation", [None, [], [[1, 1, 2, 2]]])
def test_an_object_with_only_a_box(tmp_path, segmentation):
    truth = read(tmp_path, {**SQUARE, "segmentation": segmentation})
    assert truth.masks == [NO_MASK]
    assert truth.areas.tolist() == [20.0]


def test_the_files_area_and_crowds_are_kept(tmp_path):
    truth = read(tmp_path, {**SQUARE, "area": 7.5, "iscrowd": 1, "segmentation": rectangle(2, 3, 6, 8)})
    assert truth.areas.tolist() == [7.5] and truth.crowd.tolist() == [True]


def test_images_keep_the_order_of_the_file_and_may_be_empty(tmp_path):
    rows = [{**SQUARE, "id": 1, "image_id": 9}, {**SQUARE, "id": 2, "image_id": 1}, {**SQUARE, "id": 3, "image_id": 9}]
    truth = read(tmp_path, *rows, images=((9, 20, 20), (5, 10, 30), (1, 20, 20)))
    assert {key: rows.tolist() for key, rows in truth.rows_of_images().items()} == {9: [0, 2], 5: [], 1: [1]}
    assert truth.sizes[5] == (10, 30) and truth.categories == {3: "cell", 7: "dirt"}


def test_the_second_reading_comes_from_the_cache_wherever_the_file_lies(tmp_path, monkeypatch, cache):
    rows = [{**SQUARE, "id": 1, "segmentation": rectangle(2, 3, 6, 8)}, {**SQUARE, "id": 2, "iscrowd": 1}]
    first = read(tmp_path, *rows)
    assert len(list(cache.iterdir())) == 1
    moved = tmp_path / "elsewhere.json"
    shutil.move(tmp_path / "truth.json", moved)
    os.utime(moved, (0, 0))
    monkeypatch.setattr(ground_truth, "_convert", never)
    second = read_ground_truth(moved)
    for key, value in vars(first).items():
        np.testing.assert_equal(getattr(second, key), value, err_msg=key)


def test_a_changed_file_of_the_same_size_and_time_is_read_anew(tmp_path):
    path, _ = write_coco(tmp_path, [SQUARE], [])
    state = path.stat()
    assert read_ground_truth(path).boxes[0, 0] == 2
    path.write_text(path.read_text().replace("[2, 3, 4, 5]", "[1, 3, 4, 5]"))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert path.stat().st_size == state.st_size
    assert read_ground_truth(path).boxes[0, 0] == 1


def test_a_file_without_annotations(tmp_path):
    for _ in range(2):  # the second time from the cache
        truth = read(tmp_path)
        assert truth.boxes.shape == (0, 4) and truth.masks == [] and truth.sizes == {1: (20, 20)}


def test_a_cache_that_cannot_be_written_is_told_and_done_without(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MASKRCNN_CACHE", str(tmp_path / "file"))
    with caplog.at_level(logging.WARNING):
        assert len(read(tmp_path, SQUARE).ids) == 1
    assert "MASKRCNN_CACHE" in caplog.text


def test_run_lengths_that_do_not_fill_the_image(tmp_path):
    with pytest.raises(
        DatasetError, match=r"annotation 4 \(image 1\) .*its run lengths do not fill the 20 x 20 pixels"
    ):
        read(tmp_path, {**SQUARE, "segmentation": {"size": [20, 20], "counts": [3, 4]}})


def test_files_that_are_none(tmp_path):
    with pytest.raises(DatasetError, match="does not exist"):
        read_ground_truth(tmp_path / "absent.json")
    (tmp_path / "broken.json").write_text('{"images": [')
    with pytest.raises(DatasetError, match="is not JSON"):
        read_ground_truth(tmp_path / "broken.json")
    (tmp_path / "results.json").write_text(json.dumps([{"image_id": 1, "score": 1, "category_id": 1}]))
    with pytest.raises(DatasetError, match="COCO wants an object"):
        read_ground_truth(tmp_path / "results.json")
