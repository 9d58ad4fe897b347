"""The sample set: deterministic, true to its masks, written whole or not at all."""

import hashlib
import itertools
import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
import yaml
from pycocotools import mask as mask_util

from maskrcnn_project.datasets.coco_file import read_coco_file
from maskrcnn_project.datasets.shapes.shapes import ShapesOptions, draw_image, ensure_shapes, write_shapes
from maskrcnn_project.datasets.shapes.shapes_outline import S, annotate
from maskrcnn_project.errors import DatasetError
from tests.places import ROOT as REPOSITORY

DOOR = REPOSITORY / "datasets" / "prepare_shapes.py"
SMALL = ShapesOptions(train=4, val=2, size=64, seed=3)


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "shapes"
    write_shapes(root, ShapesOptions(train=60, val=21))
    return root


def hashes(root):
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def decode(annotation, size=128):
    """(H, W) bool of a segmentation of any of the three kinds, by pycocotools."""
    segmentation = annotation["segmentation"]
    if isinstance(segmentation, list):
        rle = mask_util.merge(mask_util.frPyObjects(segmentation, size, size))
    elif isinstance(segmentation["counts"], list):
        rle = mask_util.frPyObjects(segmentation, size, size)
    else:
        rle = segmentation
    return mask_util.decode(rle).astype(bool)


def run_door(*arguments):
    command = [sys.executable, str(DOOR), *map(str, arguments)]
    environment = {"PYTHONPATH": str(REPOSITORY), "PATH": "", "PYTHONHASHSEED": "7"}
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_the_files_are_those_that_the_readme_promises(shapes):
    names = sorted(path.name for path in shapes.iterdir())
    assert names == ["annotations", "dataset.yaml", "train", "val"]
    assert len(list((shapes / "train").iterdir())) == 60
    for split in ("train", "val"):
        read_coco_file(shapes / "annotations" / f"{split}.json", shapes / split)  # finds nothing wrong


def test_equal_seeds_give_equal_bytes_in_another_process(tmp_path):
    write_shapes(tmp_path / "here", SMALL)
    done = run_door("--output", tmp_path / "there", "--train", 4, "--val", 2, "--size", 64, "--seed", 3)
    assert done.returncode == 0, done.stderr
    assert "4 images with" in done.stdout
    assert "64 x 64 pixels" in done.stdout
    assert hashes(tmp_path / "here") == hashes(tmp_path / "there")


def test_an_image_does_not_depend_on_how_many_are_drawn():
    alone, objects = draw_image(seed=0, split="train", index=5, size=64)
    again, objects_again = draw_image(seed=0, split="train", index=5, size=64)
    assert np.array_equal(alone, again)
    assert objects == objects_again
    for other in ({"seed": 1}, {"split": "val"}, {"index": 6}):
        picture, _ = draw_image(**{"seed": 0, "split": "train", "index": 5, "size": 64, **other})
        assert not np.array_equal(alone, picture)


def test_areas_and_boxes_are_those_of_the_masks(shapes):
    coco = json.loads((shapes / "annotations" / "train.json").read_text())
    for annotation in coco["annotations"]:
        mask = decode(annotation)
        rows, columns = np.nonzero(mask)
        width, height = np.ptp(columns) + 1, np.ptp(rows) + 1
        assert annotation["area"] == mask.sum() > 0
        assert annotation["bbox"] == [columns.min(), rows.min(), width, height]
        assert annotation["iscrowd"] == 0


def test_masks_show_only_what_is_visible(shapes):
    """Masks of one image share no more than the pixels that an edge runs through."""
    coco = json.loads((shapes / "annotations" / "train.json").read_text())
    touching = 0
    for _, group in itertools.groupby(coco["annotations"], key=lambda item: item["image_id"]):
        for first, second in itertools.combinations([decode(item) for item in group], 2):
            shared = (first & second).sum()
            edge = (first & ~cv2.erode(first.astype(np.uint8), np.ones((3, 3))).astype(bool)).sum()
            assert shared <= 0.5 * edge
            grown = cv2.dilate(first.astype(np.uint8), np.ones((5, 5))).astype(bool)
            touching += bool((grown & second).any())
    assert touching > 60  # one pair an image, if not more: crowding is what the set is for


def test_every_kind_of_annotation_occurs(shapes):
    coco = json.loads((shapes / "annotations" / "train.json").read_text())
    segmentations = [annotation["segmentation"] for annotation in coco["annotations"]]
    polygons = [item for item in segmentations if isinstance(item, list)]
    runs = [item["counts"] for item in segmentations if isinstance(item, dict)]
    assert len(polygons) > len(runs)
    assert sum(len(parts) > 1 for parts in polygons) >= 3
    assert sum(isinstance(counts, str) for counts in runs) >= 3
    assert sum(isinstance(counts, list) for counts in runs) >= 3
    annotated = {annotation["image_id"] for annotation in coco["annotations"]}
    assert len(coco["images"]) - len(annotated) == 3  # every twentieth of 60
    assert {annotation["category_id"] for annotation in coco["annotations"]} == {1, 2, 3}


def test_annotate_square():
    """A block of 10 x 6 pixels becomes one polygon of four corners, or run lengths that one can count."""
    mask = np.zeros((12 * S, 20 * S), dtype=bool)
    mask[2 * S : 8 * S, 5 * S : 15 * S] = True
    kinds = set()
    for seed in range(40):
        found = annotate(np.random.default_rng(seed), mask)
        assert found["area"] == 60
        assert found["bbox"] == [5, 2, 10, 6]
        segmentation = found["segmentation"]
        if isinstance(segmentation, list):
            kinds.add("polygon")
            assert len(segmentation) == 1
            assert len(segmentation[0]) == 8
            assert np.allclose(sorted(set(segmentation[0][::2])), [5, 15], atol=0.5 / S)
        elif isinstance(segmentation["counts"], list):
            kinds.add("run lengths")
            # 5 columns of 12 and 2 rows before it, then 6 inside and 6 outside in turn, then what is left
            assert segmentation["counts"] == [62, *[6, 6] * 9, 6, 64]
            assert segmentation["size"] == [12, 20]
        else:
            kinds.add("compressed")
    assert kinds == {"polygon", "run lengths", "compressed"}


def test_annotate_keeps_parts_and_holes():
    two_parts = np.zeros((12 * S, 20 * S), dtype=bool)
    two_parts[2 * S : 8 * S, 2 * S : 6 * S] = two_parts[2 * S : 8 * S, 10 * S : 13 * S] = True
    found = [annotate(np.random.default_rng(seed), two_parts)["segmentation"] for seed in range(20)]
    assert {len(item) for item in found if isinstance(item, list)} == {2}
    hole = np.ones((12 * S, 20 * S), dtype=bool)
    hole[4 * S : 6 * S, 4 * S : 6 * S] = False
    for seed in range(20):
        found = annotate(np.random.default_rng(seed), hole)
        assert isinstance(found["segmentation"], dict)
        assert found["area"] == 12 * 20 - 4


def test_the_description_in_the_repository_is_that_of_the_set(shapes):
    written = yaml.safe_load((shapes / "dataset.yaml").read_text("utf-8"))
    ours = yaml.safe_load((REPOSITORY / "datasets" / "shapes.yaml").read_text("utf-8"))
    assert ours.pop("draw_shapes_into") == "shapes"
    assert ours == written


def test_ensure_shapes_draws_once(tmp_path):
    root = ensure_shapes(tmp_path / "new" / "shapes", SMALL)
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    assert ensure_shapes(root, ShapesOptions(train=9)) == root
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


def test_a_set_that_another_process_finished_first_is_kept(tmp_path):
    write_shapes(tmp_path / "shapes", SMALL)
    before = hashes(tmp_path / "shapes")
    from maskrcnn_project.datasets.shapes import shapes as module

    beside = tmp_path / ".late"
    beside.mkdir()
    module._move_into_place(beside, tmp_path / "shapes", force=False, keep_existing=True)
    assert hashes(tmp_path / "shapes") == before


def test_only_force_replaces_and_only_a_sample_set(tmp_path):
    root = tmp_path / "shapes"
    write_shapes(root, SMALL)
    before = hashes(root)
    with pytest.raises(DatasetError, match="holds a sample set already: use it, or draw it anew with --force"):
        write_shapes(root, SMALL)
    write_shapes(root, ShapesOptions(train=4, val=2, size=64, seed=4), force=True)
    assert hashes(root).keys() == before.keys()
    assert hashes(root) != before
    (root / "notes.txt").write_text("mine")
    with pytest.raises(DatasetError, match="holds other files .*notes.txt.* which are not overwritten"):
        write_shapes(root, SMALL, force=True)
    assert (root / "notes.txt").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shapes"]  # nothing is left beside it


def test_an_empty_folder_is_filled_and_a_file_is_not(tmp_path):
    (tmp_path / "empty").mkdir()
    write_shapes(tmp_path / "empty", SMALL)
    assert (tmp_path / "empty" / "dataset.yaml").is_file()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DatasetError, match="is a file"):
        write_shapes(tmp_path / "file", SMALL, force=True)


def test_an_interrupted_drawing_leaves_nothing(tmp_path, monkeypatch):
    from maskrcnn_project.datasets.shapes import shapes as module

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "paint", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_shapes(tmp_path / "shapes", SMALL)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"train": 0}, "Each split needs at least one image, but train=0 and val=48"),
        ({"size": 8}, "at least 32 pixels, but is 8"),
        ({"seed": -1}, "seed must be 0 or more, but is -1"),
    ],
)
def test_options_are_checked(wrong, sentence):
    with pytest.raises(DatasetError, match=sentence):
        ShapesOptions(**wrong)


def test_door_ends_with_one_sentence(tmp_path):
    done = run_door("--output", tmp_path / "new", "--size", 8)
    assert done.returncode == 1
    assert done.stderr == "prepare_shapes: The size must be at least 32 pixels, but is 8.\n"
    assert run_door("--help").returncode == 0
