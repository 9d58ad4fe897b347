"""A run's own files are understood by its own tools: moved, evaluated elsewhere, the same weights everywhere."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests.places import ROOT

TINY = [
    *("MODEL.FPN.OUT_CHANNELS", 16, "MODEL.ROI_BOX_HEAD.FC_DIM", 16, "MODEL.ROI_MASK_HEAD.CONV_DIM", 16),
    *("MODEL.ROI_MASK_HEAD.NUM_CONV", 1, "MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE", 16),
    *("MODEL.RPN.POST_NMS_TOPK_TRAIN", 50, "MODEL.RPN.POST_NMS_TOPK_TEST", 20, "DATALOADER.NUM_WORKERS", 0),
]
TINY += ["MODEL.DEVICE", "cpu"]


def tool(name, *words, code=0):
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / f"{name}.py", *map(str, words)], capture_output=True, text=True, timeout=600
    )
    said = done.stdout + done.stderr
    assert done.returncode == code and "Traceback" not in said, said[-3000:]
    return said


def write_set(folder, count, categories=((1, "dark"), (2, "light"))):
    """Images of 64x48 with a square of each class."""
    (folder / "img").mkdir(parents=True)
    rows, images = [], []
    for i in range(count):
        picture = np.full((48, 64, 3), 120, np.uint8)
        for number, (category, name) in enumerate(categories):
            x, y = 4 + 30 * number, 6 + i
            picture[y : y + 20, x : x + 20] = 20 if name == "dark" else 230
            polygon = [x, y, x + 20, y, x + 20, y + 20, x, y + 20]
            rows.append({"id": len(rows) + 1, "image_id": i + 1, "category_id": category, "bbox": [x, y, 20, 20],
                         "area": 400, "iscrowd": 0, "segmentation": [polygon]})  # fmt: skip
        Image.fromarray(picture).save(folder / "img" / f"{i}.png")
        images.append({"id": i + 1, "file_name": f"{i}.png", "height": 48, "width": 64})
    names = [{"id": category, "name": name} for category, name in categories]
    (folder / "a.json").write_text(json.dumps({"images": images, "annotations": rows, "categories": names}))
    return folder


@pytest.fixture(scope="module")
def moved(tmp_path_factory):
    """A run on ten images that was renamed and moved afterwards."""
    root = tmp_path_factory.mktemp("moved")
    data = write_set(root / "data", 10)
    own = ["--images", data / "img", "--annotations", data / "a.json", "--backbone", "resnet18", "--short-edge", 64]
    said = tool("train_net", *own, "--output", root / "first", "--batch-size", 2, *TINY, "SOLVER.MAX_ITER", 4,
                "TEST.EVAL_PERIOD", 2)  # fmt: skip
    assert "model_best.pth" in said or "model_final.pth" in said
    (root / "first").rename(root / "elsewhere")
    return root / "elsewhere"


def test_a_moved_run_is_evaluated_resumed_and_used(moved):
    tool("train_net", "--eval-only", "--output", moved)
    said = tool("train_net", "--resume", "--output", moved)
    assert "Nothing is left to train" in said
    tool("predict", "--run", moved, "--input", moved.parent / "data" / "img", "--output", moved.parent / "found",
         "--score-threshold", 0)  # fmt: skip
    tool("visualize_json_results", "--run", moved, "--output", moved.parent / "drawn", "--conf-threshold", 0.05)
    said = tool("train_net", "--resume", "--output", moved, "--epochs", 2)
    assert "SOLVER.MAX_ITER: 4 -> 8" in said and "Starting training from iteration 4" in said


def test_the_report_and_the_tools_speak_of_the_same_weights(moved):
    report = (moved / "inference" / "report.html").read_text()
    [weights] = set(re.findall(r"Weights: \S*?(model_\w+\.pth)", report))
    said = tool("predict", "--run", moved, "--input", moved.parent / "data" / "img", "--output",
                moved.parent / "found2", "--score-threshold", 0)  # fmt: skip
    assert f"Weights: {moved / weights}" in said
    assert (weights == "model_best.pth") == (moved / "model_best.pth").is_file()


def test_the_predictions_are_evaluated_and_drawn(moved):
    data, output = moved.parent / "data", moved.parent / "found3"
    tool("predict", "--run", moved, "--input", data / "img", "--output", output, "--score-threshold", 0)
    said = tool("evaluate_results", "--annotations", data / "a.json", "--results", output / "predictions.json",
                "--output", moved.parent / "report")  # fmt: skip
    assert "mask AP" in said


def test_the_same_results_have_the_same_ap_in_the_report_and_in_the_tool(moved):
    results = moved / "inference" / "coco_instances_results.json"
    described = (moved / "dataset" / "val.json").resolve()
    said = tool("evaluate_results", "--annotations", described, "--results", results, "--output",
                moved.parent / "again")  # fmt: skip
    again = json.loads((moved.parent / "again" / "metrics.json").read_text())
    own = json.loads((moved / "inference" / "metrics.json").read_text())
    assert again["mask"] == own["mask"] and again["box"] == own["box"], said


def test_another_test_set_is_evaluated_by_the_names_of_its_classes(moved, tmp_path):
    other = write_set(tmp_path / "other", 3, categories=((9, "light"), (5, "dark")))
    said = tool("train_net", "--eval-only", "--output", moved, "--images", other / "img", "--annotations",
                other / "a.json")  # fmt: skip
    assert "evaluation-a" in said
    content = json.loads((moved / "evaluation-a" / "dataset" / "annotations.json").read_text())
    assert [(row["id"], row["name"]) for row in content["categories"]] == [(1, "dark"), (2, "light")]
    assert len(content["images"]) == 3 and (moved / "evaluation-a" / "inference" / "report.html").is_file()
    strange = write_set(tmp_path / "strange", 2, categories=((1, "round"),))
    said = tool("train_net", "--eval-only", "--output", moved, "--images", strange / "img", "--annotations",
                strange / "a.json", code=1)  # fmt: skip
    assert "has objects of round, but the model knows dark, light" in said
    said = tool("train_net", "--eval-only", "--output", moved, "--images", "nowhere", "--annotations", "none.json",
                code=1)  # fmt: skip
    assert "does not exist" in said
