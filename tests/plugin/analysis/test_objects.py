from pathlib import Path

import numpy as np
import pytest

from maskrcnn_project.analysis import objects as objects_module
from maskrcnn_project.analysis.objects import ObjectTable, objects_of, sound_part
from maskrcnn_project.datasets.checking.split_tables import SplitTables


def image(number, height=100, width=200):
    return {"id": number, "file_name": f"{number}.png", "height": height, "width": width}


def annotation(number, image_id, bbox, **more):
    return {"id": number, "image_id": image_id, "category_id": 1, "bbox": bbox, **more}


def tables(images, annotations, categories=({"id": 1, "name": "a"},)):
    return SplitTables("train", Path("x.json"), None, list(images), list(annotations), list(categories))


def found(images, annotations):
    return objects_of(sound_part(tables(images, annotations)))


def test_boxes_are_cut_at_their_image_and_crowds_left_out():
    got = found(
        [image(7), image(3)],
        [
            annotation(1, 3, [190, 90, 30, 30]),
            annotation(2, 7, [0, 0, 10, 20]),
            annotation(3, 7, [0, 0, 10, 20], iscrowd=1),
            annotation(4, 7, [300, 0, 10, 20]),  # outside
            annotation(5, 7, [0, 0, 0, 20]),  # of no width
        ],
    )
    order = np.argsort(got.image_index)
    assert got.boxes[order].tolist() == [[0, 0, 10, 20], [190, 90, 200, 100]]
    assert got.image_index[order].tolist() == [0, 1]
    assert got.per_image.tolist() == [1, 1]
    assert got.sizes[order] == pytest.approx([200**0.5, 10])
    assert got.aspect_ratios[order] == pytest.approx([2, 1])


def test_broken_rows_are_left_out_and_the_first_of_equal_ids_counts():
    part = sound_part(
        tables(
            [image(1), image(1, height=5), {"id": 2}, "text"],
            [
                annotation(1, 1, [0, 0, 5, 5]),
                annotation(2, 1, [0, 0, 5, -5]),
                annotation(3, 1, ["a", 0, 5, 5]),
                annotation(4, 1, [0, 0, float("nan"), 5]),
                annotation(5, 9, [0, 0, 5, 5]),  # no such image
                {**annotation(6, 1, [0, 0, 5, 5]), "category_id": 8},  # no such category
                None,
            ],
            [{"id": 1, "name": "a"}, {"id": 2}],
        )
    )
    assert [row["id"] for row in part.annotations] == [1]
    assert [(row["id"], row["height"]) for row in part.images] == [(1, 100)]
    assert part.class_names == ["a"]


def test_groups_meet_cocos_bounds():
    boxes = [
        [0, 0, 31, 32],
        [0, 0, 32, 32],
        [0, 0, 96, 95],
        [0, 0, 96, 96],
        [0, 0, 10, 20],
        [0, 0, 10, 21],
        [0, 0, 21, 10],
    ]
    objects = ObjectTable(np.array(boxes, dtype=float), np.zeros(7, dtype=int), np.array([[100.0, 100.0]]))
    members = [np.flatnonzero(rows).tolist() for rows in objects.groups().values()]
    assert members == [[0, 1, 2, 3, 4, 5, 6], [0, 4, 5, 6], [1, 2], [3], [5], [6]]


def test_coverage_counts_the_part_of_a_cell_that_boxes_cover():
    # images of 40 x 80 pixels: a cell of a 4 x 4 grid is 10 x 20 pixels
    boxes = np.array([[0, 0, 20, 10], [10, 0, 50, 5]], dtype=float)
    objects = ObjectTable(boxes, np.zeros(2, dtype=int), np.array([[40.0, 80.0]]))
    expected = np.zeros((4, 4))
    expected[0] = [1 + 0.25, 0.5, 0.25, 0]
    assert objects.coverage(4) == pytest.approx(expected)


def test_coverage_of_many_objects_is_added_up_in_parts(monkeypatch):
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 50, (23, 2))
    objects = ObjectTable(
        np.hstack([low, low + rng.uniform(1, 50, (23, 2))]), np.zeros(23, dtype=int), np.array([[100.0, 100.0]])
    )
    whole = objects.coverage(8)
    monkeypatch.setattr(objects_module, "ROWS_AT_ONCE", 5)
    assert objects.coverage(8) == pytest.approx(whole)


def test_nothing():
    got = found([], [])
    assert got.boxes.shape == (0, 4) and got.image_sizes.shape == (0, 2)
    assert got.coverage(2).tolist() == [[0, 0], [0, 0]] and got.per_image.tolist() == []
    assert all(rows.shape == (0,) for rows in got.groups().values())
