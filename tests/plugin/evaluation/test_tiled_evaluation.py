"""Untiled, in tiles and both, evaluated on drawn images that are seen exactly, but not at any scale."""

import json

import cv2
import pytest
from detectron2.data import MetadataCatalog

from maskrcnn_project.config import get_config
from maskrcnn_project.evaluation import tiled_evaluation
from maskrcnn_project.evaluation.tiled_evaluation import (
    COLUMNS,
    compare_tiled,
    compare_ways,
    rows_of,
    tiled_section,
    ways_of_looking,
)
from maskrcnn_project.masks.coding import box_xywh_of, encode
from tests.plugin.inference.seeing import Seeing, disc, painting

SIDE = 100


class Nearsighted(Seeing):
    """In a large image it sees what is large, in a small one what is small: a model at two scales."""

    def one(self, image):
        self.least, self.most = (150, 10**9) if max(image.shape) >= SIDE else (1, 150)
        return super().one(image)


@pytest.fixture
def drawn(tmp_path):
    """A COCO set of two images: in the first five small discs and a large one, in the second nothing."""
    discs = [disc(SIDE, SIDE, 10 + 20 * n, 15, 6) for n in range(5)] + [disc(SIDE, SIDE, 50, 65, 30)]
    annotations = [
        {"id": n, "image_id": 1, "category_id": 7, "bbox": box_xywh_of(d), "area": int(d.sum()), "iscrowd": 0}
        | {"segmentation": encode(d)}
        for n, d in enumerate(discs, 1)
    ]
    for name, shapes in (("1.png", discs), ("2.png", [])):
        cv2.imwrite(str(tmp_path / name), painting(SIDE, SIDE, *shapes))
    images = [{"id": n, "file_name": f"{n}.png", "height": SIDE, "width": SIDE} for n in (1, 2)]
    coco = {"images": images, "annotations": annotations, "categories": [{"id": 7, "name": "disc"}]}
    (tmp_path / "a.json").write_text(json.dumps(coco))
    return tmp_path


@pytest.fixture
def evaluated(drawn, monkeypatch):
    monkeypatch.setenv("MASKRCNN_CACHE", str(drawn / "cache"))
    ways = ways_of_looking(Nearsighted(), 50, 20)
    return compare_ways(ways, drawn / "a.json", drawn, drawn / "out", score_threshold=0.5)


def test_each_way_finds_what_it_can(evaluated):
    assert [way.name for way in evaluated] == ["untiled", "tiles", "tiles and whole image"]
    assert [way.evaluation.num_found for way in evaluated] == [1, 5, 6]
    assert [way.evaluation.errors["correct"] for way in evaluated] == [1, 5, 6]
    assert evaluated[2].evaluation.mask["AP"] == pytest.approx(100)
    assert all(way.seconds_per_image > 0 for way in evaluated)


def test_results_are_written_with_the_categories_of_the_file(evaluated, drawn):
    rows = json.loads((drawn / "out" / "tiles" / "coco_instances_results.json").read_text())
    assert [(row["image_id"], row["category_id"]) for row in rows] == [(1, 7)] * 5


def test_the_table(evaluated):
    rows = rows_of(evaluated)
    assert [row[0] for row in rows] == ["untiled", "tiles", "tiles and whole image"]
    assert rows[2][1:4] == ("100.0", "100.0", "100.0") and len(rows[0]) == len(COLUMNS) + 1
    section = tiled_section(evaluated, 50, 20)
    assert "tiles of 50 pixels with an overlap of 20" in section and "tiles and whole image" in section


class FakePredictor:
    """In place of a trained model."""

    asked: list = []

    def __init__(self, cfg, weights, score_threshold):
        self.asked.append((weights, score_threshold))
        self.detect = Nearsighted()


def config(output):
    cfg = get_config(overrides=["EVALUATION.TILE.SIZE", "50", "EVALUATION.TILE.OVERLAP", "20"])
    cfg.OUTPUT_DIR, cfg.DATASETS.TEST = str(output), ("a_set",)
    return cfg


def test_on_a_registered_set(drawn, monkeypatch):
    monkeypatch.setenv("MASKRCNN_CACHE", str(drawn / "cache"))
    monkeypatch.setattr(tiled_evaluation, "Predictor", FakePredictor)
    name = f"drawn_{drawn}"
    MetadataCatalog.get(name).set(json_file=str(drawn / "a.json"), image_root=str(drawn))
    ways = compare_tiled(config(drawn / "out"), "model.pth", name)
    assert [way.evaluation.num_found for way in ways] == [1, 5, 6]
    assert FakePredictor.asked == [("model.pth", 0.05)]
    assert (drawn / "out" / "inference" / "tiled" / "untiled" / "coco_instances_results.json").is_file()


def test_a_set_without_files_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"a_set_without_files has none: set EVALUATION\.TILE\.SIZE 0"):
        compare_tiled(config(tmp_path), "model.pth", "a_set_without_files")
