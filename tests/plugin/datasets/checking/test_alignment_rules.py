"""Annotations on drawn pictures: as they are, mirrored, of the next image, of any image."""

import copy

import numpy as np
import pytest
from PIL import Image

from maskrcnn_project.datasets.checking.alignment_rules import check_alignment
from maskrcnn_project.datasets.checking.check import check_dataset
from maskrcnn_project.datasets.checking.findings import Findings
from maskrcnn_project.datasets.checking.fix import fix
from maskrcnn_project.datasets.checking.precheck import refuse_errors
from maskrcnn_project.datasets.checking.split_tables import SplitTables
from maskrcnn_project.datasets.checking.turns import TURNS, turned_box, turned_mask
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.masks.coding import decode, encode

HEIGHT, WIDTH, COUNT = 90, 120, 16
ALIGNMENT = {"annotations-mirrored", "annotations-shifted", "annotations-off-edges"}


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """(folder, COCO content): noise with three bright rectangles and discs on each of 16 images, half of them RLE."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    ys, xs = np.mgrid[:HEIGHT, :WIDTH]
    images, rows = [], []
    for number in range(1, COUNT + 1):
        picture = rng.integers(40, 80, (HEIGHT, WIDTH))
        for _ in range(3):
            x, y, radius = rng.integers(15, WIDTH - 15), rng.integers(15, HEIGHT - 15), rng.integers(6, 14)
            x0, y0, x1, y1 = (int(v) for v in (x - radius, y - radius, x + radius, y + radius))
            is_disc = rng.random() < 0.5
            mask = (xs - x) ** 2 + (ys - y) ** 2 < radius**2 if is_disc else (abs(xs - x + 0.5) < radius)
            mask = mask if is_disc else mask & (abs(ys - y + 0.5) < radius)
            picture[mask] += 120
            polygon = [[x0, y0, x1, y0, x1, y1, x0, y1]]
            left, top = int(xs[mask].min()), int(ys[mask].min())
            box = [left, top, int(xs[mask].max()) + 1 - left, int(ys[mask].max()) + 1 - top]
            row = {"id": len(rows) + 1, "image_id": number, "category_id": 1, "iscrowd": 0, "area": int(mask.sum())}
            rows.append({**row, "bbox": box, "segmentation": encode(mask) if is_disc else polygon})
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(folder / f"{number}.png")
        images.append({"id": number, "file_name": f"{number}.png", "height": HEIGHT, "width": WIDTH})
    return folder, {"images": images, "annotations": rows, "categories": [{"id": 1, "name": "part"}]}


def turned(coco, how):
    coco = copy.deepcopy(coco)
    sizes = {image["id"]: (image["height"], image["width"]) for image in coco["images"]}
    for row in coco["annotations"]:
        row["segmentation"] = turned_mask(row["segmentation"], how, *sizes[row["image_id"]])
        x, y, w, h = row["bbox"]
        x0, y0, x1, y1 = turned_box((x, y, x + w, y + h), how, *sizes[row["image_id"]])
        row["bbox"] = [x0, y0, x1 - x0, y1 - y0]
    return coco


def moved(coco, place):
    """The annotations of image k on image ``place(k)``, both from 0."""
    coco = copy.deepcopy(coco)
    for row in coco["annotations"]:
        row["image_id"] = place(row["image_id"] - 1) % COUNT + 1
    return coco


def found_in(folder, coco):
    tables = SplitTables.of_content("train", "a.json", folder, coco)
    findings = Findings()
    check_alignment(tables, findings)
    return tables, {finding.rule.id: finding.examples[0].detail for finding in findings}


def test_annotations_on_their_pictures_are_silent(sound):
    assert found_in(*sound)[1] == {}


@pytest.mark.parametrize("how", [how for how, turn in TURNS.items() if not turn.square])
def test_mirrored_annotations_are_named_and_mirrored_back(sound, how):
    folder, coco = sound
    tables, found = found_in(folder, turned(coco, how))
    assert list(found) == ["annotations-mirrored"]
    assert found["annotations-mirrored"].startswith(f"{how} they lie on edges")
    findings = check_dataset(tables, progress=False)
    fixed, changes = fix(tables, findings, progress=False)
    assert {change.rule for change in changes} == {"annotations-mirrored"}
    for row, was in zip(fixed["annotations"], coco["annotations"], strict=True):
        assert row["bbox"] == was["bbox"]
        assert (decode(row["segmentation"], HEIGHT, WIDTH) == decode(was["segmentation"], HEIGHT, WIDTH)).all()
    assert found_in(folder, fixed)[1] == {}


@pytest.mark.parametrize("how", TURNS)
def test_in_square_images_annotations_may_be_turned_as_well(how, tmp_path):
    """What is done to a point, to pixels and to a box is the same; the fix is the turn that brings them back."""
    rng = np.random.default_rng(3)
    images, rows = [], []
    for number in range(1, 7):
        picture = rng.integers(40, 80, (96, 96)).astype(np.uint8)
        for _ in range(2):
            x, y, w, h = int(rng.integers(4, 50)), int(rng.integers(4, 50)), 30, int(rng.integers(10, 24))
            picture[y : y + h, x : x + w] += 110
            polygon = [[x, y, x + w, y, x + w, y + h, x, y + h]]
            row = {"id": len(rows) + 1, "image_id": number, "category_id": 1, "iscrowd": 0, "area": w * h}
            rows.append({**row, "bbox": [x, y, w, h], "segmentation": polygon})
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
        images.append({"id": number, "file_name": f"{number}.png", "height": 96, "width": 96})
    coco = {"images": images, "annotations": rows, "categories": [{"id": 1, "name": "part"}]}
    tables, found = found_in(tmp_path, turned(coco, how))
    assert list(found) == ["annotations-mirrored"]
    fixed, _ = fix(tables, check_dataset(tables, progress=False), progress=False)
    for row, was in zip(fixed["annotations"], rows, strict=True):
        assert row["bbox"] == was["bbox"]
        assert (decode(row["segmentation"], 96, 96) == decode(was["segmentation"], 96, 96)).all()


@pytest.mark.parametrize(("step", "where"), [(1, "the image before"), (-1, "the next image")])
def test_the_annotations_of_a_neighbour_are_named_and_not_fixed(sound, step, where):
    folder, coco = sound
    tables, found = found_in(folder, moved(coco, lambda place: place + step))
    assert list(found) == ["annotations-shifted"] and where in found["annotations-shifted"]
    with pytest.raises(DatasetError, match="nothing is written: .*annotations-shifted"):
        fix(tables, check_dataset(tables, progress=False), progress=False)
    with pytest.raises(DatasetError, match="annotations-shifted"):
        refuse_errors(tables)


def test_annotations_of_other_images_are_a_warning(sound):
    folder, coco = sound
    tables, found = found_in(folder, moved(coco, lambda place: 7 * place + 3))
    assert list(found) == ["annotations-off-edges"]
    assert refuse_errors(tables).of("annotations-off-edges")


def test_pictures_without_edges_tell_nothing(sound, tmp_path):
    """So do images that cannot be read, and those without an object."""
    _, coco = sound
    for image in coco["images"]:
        Image.fromarray(np.full((HEIGHT, WIDTH), 90, np.uint8)).save(tmp_path / image["file_name"])
    (tmp_path / "3.png").write_bytes(b"")
    assert not ALIGNMENT & {*found_in(tmp_path, turned(coco, "mirrored left to right"))[1]} - {"annotations-off-edges"}
    assert found_in(tmp_path, {**coco, "annotations": []})[1] == {}
