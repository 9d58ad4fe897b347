"""The report on a run, from its config and the files of its evaluation."""

import csv
import json
from pathlib import Path

import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog

from maskrcnn_project.evaluation.report.run_report import report_run
from maskrcnn_project.evaluation.results_folder import results_folder, write_speed
from maskrcnn_project.evaluation.run_folder import pairs_of
from maskrcnn_project.masks.coding import as_rle
from maskrcnn_project.training.run import train
from tests.contract.tiny import SIZES
from tests.plugin.training.hooks.tiny_training import DATASET, tiny  # noqa: F401


@pytest.fixture
def cfg(tiny):  # noqa: F811
    """A trained run whose evaluation gave each object of the set as found, but one."""
    cfg = tiny()
    DatasetCatalog.get(DATASET)
    folder = results_folder(cfg, DATASET)
    folder.mkdir(parents=True)
    annotations = json.loads(Path(MetadataCatalog.get(DATASET).json_file).read_text("utf-8"))["annotations"]
    keys = ("image_id", "category_id", "bbox", "segmentation")
    truth = cases_truth(annotations)
    results = [
        {**{key: row[key] for key in keys}, "score": 0.9, "segmentation": truth[row["id"]]} for row in annotations
    ]
    (folder / "coco_instances_results.json").write_text(json.dumps(results[1:]))
    return cfg


def cases_truth(annotations):
    """{annotation id: mask as run lengths}, on the sizes that the drawn pictures have."""
    masks = {}
    for row in annotations:
        rle = as_rle(row["segmentation"], *SIZES[row["image_id"] - min(r["image_id"] for r in annotations)])
        counts = rle["counts"]
        masks[row["id"]] = {"size": list(rle["size"]), "counts": counts if isinstance(counts, str) else counts.decode()}
    return masks


def test_one_missed_object(cfg):
    write_speed(cfg, 0.25)
    [page] = report_run(cfg, "model_final.pth")
    folder = page.parent
    metrics = json.loads((folder / "metrics.json").read_text())
    assert (metrics["num_objects"], metrics["errors"]["correct"], metrics["errors"]["missed"]) == (8, 7, 1)
    with open(folder / "per_class.csv", newline="") as file:
        rows = {row["class"]: row for row in csv.DictReader(file)}
    assert rows.keys() == {"square", "disk"}
    assert sorted(float(row["recall"]) for row in rows.values()) == [75.0, 100.0]
    text = page.read_text()
    assert "model_final.pth" in text and "250 ms" in text


def test_without_results_there_is_no_page(cfg):
    (results_folder(cfg, DATASET) / "coco_instances_results.json").unlink()
    assert pairs_of(cfg, DATASET) is None
    assert report_run(cfg, "model_final.pth") == []


def test_training_ends_with_a_report_unless_it_is_switched_off(tiny, tmp_path):  # noqa: F811
    pages = []
    for report in (True, False):
        cfg = tiny()
        cfg.OUTPUT_DIR, cfg.EVALUATION.REPORT = str(tmp_path / f"run_{report}"), report
        (tmp_path / f"run_{report}").mkdir()
        train(cfg)
        pages.append((results_folder(cfg, DATASET) / "report.html").is_file())
    assert pages == [True, False]
