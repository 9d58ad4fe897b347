"""Splits: nothing lost, nothing twice, every class on both sides where that is possible."""

import itertools
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskrcnn_project.datasets.editing.split import (
    parts_from_text,
    shares_table,
    split_coco,
    split_parts,
    write_parts,
    write_split,
)
from maskrcnn_project.errors import DatasetError

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


GROUPED = st.lists(st.tuples(st.integers(0, 5), st.sets(st.integers(1, 6), max_size=3)), min_size=6, max_size=24)
THREE = {"train": 0.6, "val": 0.2, "test": 0.2}


@settings(max_examples=100, deadline=None)
@given(rows=GROUPED, seed=st.integers(0, 3))
def test_groups_never_part_and_nothing_is_lost(rows, seed):
    coco = coco_of([shown for _, shown in rows])
    for image, (patient, _) in zip(coco["images"], rows, strict=True):
        image["patient"] = patient
    if len({patient for patient, _ in rows}) < 3:
        with pytest.raises(DatasetError, match="at least 3 groups of images"):
            split_parts(coco, THREE, seed, "patient")
        return
    parts = split_parts(coco, THREE, seed, "patient")
    patients = [{image["patient"] for image in part["images"]} for part in parts.values()]
    assert all(patients) and sum(map(len, patients)) == len(set().union(*patients))
    for key in ("images", "annotations"):
        assert sorted((row for part in parts.values() for row in part[key]), key=lambda row: row["id"]) == coco[key]


@settings(max_examples=100, deadline=None)
@given(counts=st.lists(st.integers(1, 12), min_size=1, max_size=5), seed=st.integers(0, 3))
def test_of_three_parts_each_shows_every_class_that_three_images_show(counts, seed):
    shown = [{category} for category, count in enumerate(counts, 1) for _ in range(count)]
    if len(shown) < 3:
        return
    parts = split_parts(coco_of(shown), THREE, seed)
    for category, count in enumerate(counts, 1):
        if count >= 3:
            assert all(category in classes_of(part) for part in parts.values())
        elif len(shown) > 5:
            assert category in classes_of(parts["train"])


def test_shares_of_three_parts():
    shown = [{n % 3 + 1} | ({4} if n % 7 == 0 else set()) for n in range(200)]
    parts = split_parts(coco_of(shown), {"train": 0.7, "val": 0.15, "test": 0.15})
    assert abs(len(parts["val"]["images"]) - 30) <= 3 and abs(len(parts["test"]["images"]) - 30) <= 3
    for category, number in ((1, 67), (2, 67), (3, 66), (4, 29)):
        for name, share in (("val", 0.15), ("test", 0.15)):
            found = sum(row["category_id"] == category for row in parts[name]["annotations"])
            assert abs(found - share * number) <= 2


def test_tiles_of_one_photograph_stay_together_by_themselves():
    coco = coco_of([{n % 2 + 1} for n in range(24)])
    for index, image in enumerate(coco["images"]):
        image["source_file_name"] = f"{index // 4}.png"
    train, val = split_coco(coco, 0.3)
    sources = [{image["source_file_name"] for image in part["images"]} for part in (train, val)]
    assert sources[0].isdisjoint(sources[1]) and len(val["images"]) == 8
    _, val = split_coco(coco, 0.5, group_by="id")  # each by itself after all
    assert len({image["source_file_name"] for image in val["images"]}) > 3


def test_parts_by_file_name_are_written_with_their_names(tmp_path):
    source = tmp_path / "all.json"
    coco = coco_of([{1}] * 12)
    for index, image in enumerate(coco["images"]):
        image["file_name"] = f"part{index // 2}_{index}.png"
    source.write_text(json.dumps(coco), "utf-8")
    paths = write_parts(source, tmp_path / "out", THREE, group_by=re.compile("^(part[0-9]+)_"))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["test.json", "train.json", "val.json"]
    names = [{image["file_name"][:5] for image in json.loads(path.read_text())["images"]} for path in paths.values()]
    assert [len(group) for group in names] == [4, 1, 1] and len(set().union(*names)) == 6


def test_the_table_of_shares():
    coco = coco_of([{1}, {1, 2}, {2}, set()])
    parts = {"train": {**coco, "images": coco["images"][:2], "annotations": coco["annotations"][:3]}}
    parts["val"] = {**coco, "images": coco["images"][2:], "annotations": coco["annotations"][3:]}
    lines = [line.split() for line in shares_table(parts).splitlines()]
    assert lines[:3] == [["train", "val", "all"], ["images", "2", "2", "4"], ["instances", "3", "1", "4"]]
    assert lines[3] == ["class", "1", "2", "(66.7%)", "0", "(0.0%)", "2", "(50.0%)"]
    assert "groups" not in shares_table(parts) and "groups" in shares_table(parts, re.compile("png"))


def test_parts_as_text():
    assert parts_from_text(["train=0.5", "val=.5"]) == {"train": 0.5, "val": 0.5}
    for text in ("train", "val=much", "val="):
        with pytest.raises(DatasetError, match="Parts are written train=0.8 val=0.2"):
            parts_from_text([text])
    with pytest.raises(DatasetError, match="each name once"):
        parts_from_text(["val=0.5", "val=0.5"])


@pytest.mark.parametrize(
    ("fractions", "said"),
    [
        ({"train": 1.0}, "wants two parts or more"),
        ({"train": 1.2, "val": -0.2}, "each with a fraction above 0, but has train 1.2, val -0.2"),
        ({"train": 0.7, "val": 0.2}, "should sum to 1, but train 0.7, val 0.2 sum to 0.9"),
    ],
)
def test_fractions_that_make_no_split(fractions, said):
    with pytest.raises(DatasetError, match=said):
        split_parts(coco_of([{1}] * 9), fractions)


def test_names_of_parts_are_no_paths(tmp_path):
    with pytest.raises(DatasetError, match="'../val': rename it"):
        write_parts(tmp_path / "all.json", tmp_path, {"train": 0.5, "../val": 0.5})
