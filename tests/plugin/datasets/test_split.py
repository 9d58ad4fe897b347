"""Splits: nothing lost, nothing twice, every class on both sides where that is possible."""

import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskrcnn_project.datasets.coco_file import DatasetError
from maskrcnn_project.datasets.split import split_coco, write_split

# What each image shows: up to three of six classes, or nothing.
SHOWN = st.lists(st.sets(st.integers(1, 6), max_size=3), min_size=2, max_size=8)


def coco_of(shown):
    """A COCO dict in which image ``i + 1`` has one annotation of each class in ``shown[i]``."""
    pairs = [(image, category) for image, classes in enumerate(shown, 1) for category in sorted(classes)]
    return {
        "info": {"year": 2020},
        "images": [{"id": n, "file_name": f"{n}.png", "height": 8, "width": 8} for n in range(1, len(shown) + 1)],
        "annotations": [
            {"id": n, "image_id": image, "category_id": category, "bbox": [0, 0, 1, 1]}
            for n, (image, category) in enumerate(pairs, 100)
        ],
        "categories": [{"id": n, "name": f"class {n}"} for n in range(1, 7)],
    }


def classes_of(part):
    return {row["category_id"] for row in part["annotations"]}


def one_sided(shown, val_images):
    """Classes of two or more images that are all on one side; the images count from 1."""
    found = set()
    for category in set().union(*shown):
        sides = [number in val_images for number, classes in enumerate(shown, 1) if category in classes]
        if len(sides) >= 2 and len(set(sides)) == 1:
            found.add(category)
    return found


@settings(max_examples=150, deadline=None)
@given(shown=SHOWN, fraction=st.floats(0.01, 0.99), seed=st.integers(0, 5))
def test_each_image_goes_to_one_side_with_all_of_its_annotations(shown, fraction, seed):
    coco = coco_of(shown)
    train, val = split_coco(coco, fraction, seed)
    for key in ("images", "annotations"):
        rows = sorted(train[key] + val[key], key=lambda row: row["id"])
        assert rows == coco[key]
    for part in (train, val):
        assert part["images"]
        ids = {image["id"] for image in part["images"]}
        assert {row["image_id"] for row in part["annotations"]} <= ids
        assert part["categories"] == coco["categories"]
        assert part["info"] == coco["info"]


@settings(max_examples=150, deadline=None)
@given(shown=SHOWN, fraction=st.floats(0.05, 0.6), seed=st.integers(0, 5))
def test_no_class_misses_a_side_that_it_could_have(shown, fraction, seed):
    """Against all splits: 2 to the power of at most 8."""
    _, val = split_coco(coco_of(shown), fraction, seed)
    missed = one_sided(shown, {image["id"] for image in val["images"]})
    if missed:
        numbers = range(1, len(shown) + 1)
        every = (set(side) for size in numbers for side in itertools.combinations(numbers, size))
        assert len(missed) == min(len(one_sided(shown, side)) for side in every)


@settings(max_examples=50, deadline=None)
@given(counts=st.lists(st.integers(2, 30), min_size=1, max_size=6), seed=st.integers(0, 5))
def test_images_of_one_class_each_keep_the_share_of_each_class(counts, seed):
    shown = [{category} for category, count in enumerate(counts, 1) for _ in range(count)]
    train, val = split_coco(coco_of(shown), 0.2, seed)
    wanted = [min(max(round(0.2 * count), 1), count - 1) for count in counts]
    for category, number in enumerate(wanted, 1):
        assert sum(row["category_id"] == category for row in val["annotations"]) >= number
    assert len(val["images"]) == max(sum(wanted), round(0.2 * len(shown)))  # roundings are made up for
    assert classes_of(train) == classes_of(val)


def test_shares_of_a_mixed_set_are_near_the_wanted_one():
    shown = [{n % 3 + 1} | ({4} if n % 7 == 0 else set()) | ({5} if n % 40 == 0 else set()) for n in range(200)]
    train, val = split_coco(coco_of(shown), 0.25)
    assert 48 <= len(val["images"]) <= 52
    for category, number in ((1, 67), (2, 67), (3, 66), (4, 29), (5, 5)):
        in_val = sum(row["category_id"] == category for row in val["annotations"])
        assert abs(in_val - 0.25 * number) <= 2


def test_images_without_annotations_are_shared_out_too():
    _, val = split_coco(coco_of([{1}] * 20 + [set()] * 10), 0.2)
    empty = {image["id"] for image in val["images"]} - {row["image_id"] for row in val["annotations"]}
    assert len(empty) == 2
    assert len(val["images"]) == 6


def test_a_class_of_one_image_comes_to_train():
    for seed in range(10):
        train, val = split_coco(coco_of([{1}] * 9 + [{1, 2}]), 0.3, seed)
        assert classes_of(train) == {1, 2}
        assert classes_of(val) == {1}


def test_what_no_split_can_do_is_said(caplog):
    """Three images of two classes each, every class in two images: one class always misses a side."""
    split_coco(coco_of([{1, 2}, {2, 3}, {1, 3}]))
    assert caplog.messages[0].startswith("No split was found that shows class")


def test_the_seed_decides():
    coco = coco_of([{n % 2 + 1} for n in range(40)])
    assert split_coco(coco, 0.3, 1) == split_coco(coco, 0.3, 1)
    assert split_coco(coco, 0.3, 1) != split_coco(coco, 0.3, 2)


@pytest.mark.parametrize("fraction", [0, 1, -0.5, 20])
def test_fraction_outside_of_0_and_1(fraction):
    with pytest.raises(DatasetError, match=f"above 0 and below 1, but is {fraction}"):
        split_coco(coco_of([{1}, {1}]), fraction)


def test_too_few_images_and_strange_annotations():
    with pytest.raises(DatasetError, match="at least two images, but there are 1"):
        split_coco(coco_of([{1}]))
    coco = coco_of([{1}, {1}])
    coco["annotations"][0]["image_id"] = 9
    with pytest.raises(DatasetError, match="Annotation 100 belongs to the image 9, which is not listed"):
        split_coco(coco)


def test_write_split_writes_both_files_and_overwrites_nothing(tmp_path):
    source = tmp_path / "all.json"
    source.write_text(json.dumps(coco_of([{1}] * 10)), "utf-8")
    paths = write_split(source, tmp_path / "out", 0.3)
    assert paths == (tmp_path / "out" / "train.json", tmp_path / "out" / "val.json")
    assert [len(json.loads(path.read_text())["images"]) for path in paths] == [7, 3]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["train.json", "val.json"]
    with pytest.raises(DatasetError, match="train.json exists already"):
        write_split(source, tmp_path / "out", 0.5)
    write_split(source, tmp_path / "out", 0.5, force=True)
    assert [len(json.loads(path.read_text())["images"]) for path in paths] == [5, 5]


def test_write_split_never_overwrites_its_source(tmp_path):
    source = tmp_path / "train.json"
    text = json.dumps(coco_of([{1}] * 10))
    source.write_text(text, "utf-8")
    with pytest.raises(DatasetError, match="would overwrite it"):
        write_split(source, tmp_path, force=True)
    assert source.read_text() == text
    assert [path.name for path in tmp_path.iterdir()] == ["train.json"]
