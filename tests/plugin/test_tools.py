"""
The tools as a user runs them, each in its own process: a tiny model on a tiny drawn set, from training to pictures.

What the model finds is beside the point here (make demo shows that it learns); what is written and said is not.
"""

import json
import os
import subprocess
import sys

import cv2
import pytest

from maskrcnn_project.datasets.shapes.shapes import ShapesOptions, write_shapes
from maskrcnn_project.modeling.class_table import ClassTable
from tests.places import ROOT

TINY = [
    *("MODEL.FPN.OUT_CHANNELS", 16, "MODEL.ROI_BOX_HEAD.FC_DIM", 16, "MODEL.ROI_MASK_HEAD.CONV_DIM", 16),
    *("MODEL.ROI_MASK_HEAD.NUM_CONV", 1, "MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE", 16),
    *("MODEL.RPN.POST_NMS_TOPK_TEST", 20, "DATALOADER.NUM_WORKERS", 0, "SOLVER.STEPS", "()"),
    *("SOLVER.WARMUP_ITERS", 1, "TEST.EVAL_PERIOD", 0, "SOLVER.CHECKPOINT_PERIOD", 2),
]


def tool(name, *arguments, code=0):
    """Runs ``tools/NAME.py`` and returns its output and errors; fails unless it exits with ``code``."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "tools" / f"{name}.py"), *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == code, f"{name} {arguments} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "shapes"
    write_shapes(root, ShapesOptions(train=8, val=3, size=64, seed=1))
    return root


@pytest.fixture(scope="module")
def run(shapes, tmp_path_factory):
    """The output folder of a training over four iterations."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    data = ["--images", shapes / "train", "--annotations", shapes / "annotations/train.json"]
    val = ["--val-images", shapes / "val", "--val-annotations", shapes / "annotations/val.json"]
    said = tool("train_net", *data, *val, "--backbone", "resnet18", "--output", folder, "SOLVER.MAX_ITER", 4, *TINY)
    assert "Settings chosen for this data set" in said
    return folder


def test_training_writes_what_detectron2_users_expect(run):
    written = {p.relative_to(run).as_posix() for p in run.rglob("*") if p.is_file()}
    assert {
        "config.yaml",
        "log.txt",
        "metrics.json",
        "model_final.pth",
        "last_checkpoint",
        "loss_curves.png",
        "inference/coco_instances_results.json",
        "dataset/dataset.yaml",
    } <= written
    assert not [name for name in written if "partial" in name]
    assert (run / "last_checkpoint").read_text() == "model_final.pth"


def test_the_class_table_travels_in_the_checkpoint(run):
    assert ClassTable.from_checkpoint(run / "model_final.pth").names == ("circle", "rectangle", "triangle")


def test_a_second_run_does_not_write_over_the_first(run):
    config = run / "config.yaml"
    assert "already holds a run" in tool("train_net", "--config-file", config, code=1)


def test_resume_goes_on_and_evaluation_repeats(run):
    said = tool("train_net", "--resume", "--output", run, "SOLVER.MAX_ITER", 6)
    assert "Starting training from iteration 4" in said
    last = [json.loads(line) for line in (run / "metrics.json").read_text().splitlines()][-1]
    assert last["iteration"] >= 5
    config = (run / "config.yaml").read_text()
    said = tool("train_net", "--eval-only", "--output", run, "TEST.DETECTIONS_PER_IMAGE", 7)
    assert "Evaluation results for segm" in said
    assert (run / "config.yaml").read_text() == config


def test_weights_of_other_classes_are_refused(run, shapes):
    content = json.loads((shapes / "annotations/val.json").read_text())
    content["categories"][0]["name"] = "disc"
    other = shapes / "annotations/other.json"
    other.write_text(json.dumps(content))
    description = shapes / "other.yaml"
    description.write_text(f"name: other\nsplits: {{val: {{json: {other}, images: {shapes / 'val'}}}}}\n")
    weights = ["MODEL.WEIGHTS", run / "model_final.pth"]
    data = ["DATASETS.DESCRIPTIONS", f"('{description}',)", "DATASETS.TEST", "('other_val',)"]
    said = tool("train_net", "--eval-only", "--config-file", run / "config.yaml", *weights, *data, code=1)
    assert "output 0 is 'circle' there and 'disc' here" in said.splitlines()[-1]


def test_another_number_of_classes_is_refused(run, shapes):
    more = ["MODEL.ROI_HEADS.NUM_CLASSES", 7]
    said = tool("predict", "--run", run, "--input", shapes / "val", "--output", run / "p", *more, code=1)
    assert "The model has 7 classes, but the weights" in said.splitlines()[-1]


def test_predict_draws_and_writes_coco_json(run, shapes):
    output = run / "predictions"
    said = tool("predict", "--run", run, "--input", shapes / "val", "--output", output, "--score-threshold", 0)
    content = json.loads((output / "predictions.json").read_text())
    names = sorted(p.name for p in (shapes / "val").iterdir())
    assert [image["file_name"] for image in content["images"]] == names
    assert f"{len(content['annotations'])} instances in {len(names)} images at score 0 or above" in said
    assert {c["name"] for c in content["categories"]} == {"circle", "rectangle", "triangle"}
    assert all(cv2.imread(str(output / name)) is not None for name in names)


def test_predict_names_a_broken_image(run, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no image")
    said = tool("predict", "--run", run, "--input", tmp_path / "broken.png", "--output", tmp_path / "out", code=1)
    assert said.splitlines()[-1].startswith("error: ") and "broken.png" in said.splitlines()[-1]


def test_data_pictures_from_both_sources(run, tmp_path):
    for source in ("annotation", "dataloader"):
        config = ["--config-file", run / "config.yaml", "--source", source, "--number", 4]
        tool("visualize_data", *config, "--output-dir", tmp_path / source)
        assert len(list((tmp_path / source).glob("*.png"))) == 5  # four and the sheet of all
        assert cv2.imread(str(tmp_path / source / "sheet.png")).std() > 5


def test_results_are_drawn_beside_the_ground_truth(run, tmp_path):
    tool("visualize_json_results", "--run", run, "--output", tmp_path, "--conf-threshold", 0.05)
    assert len(list(tmp_path.glob("*.png"))) == 3


def test_the_summary_names_what_is_there(run):
    said = tool("summarize_run", run)
    assert "model_final.pth" in said and "Masks: AP" in said


@pytest.mark.parametrize("name", sorted(f.stem for f in (ROOT / "tools").glob("*.py")))
def test_help_needs_no_torch(name):
    code = f"import runpy, sys; sys.argv = ['x', '--help']; runpy.run_path({str(ROOT / 'tools' / name) + '.py'!r})"
    watched = f"import atexit, sys\natexit.register(lambda: print('torch' in sys.modules))\n{code}"
    watched = watched.replace("runpy.run_path(", "runpy.run_path(run_name='__main__', path_name=")
    done = subprocess.run([sys.executable, "-c", watched], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "usage:" in done.stdout and done.stdout.rstrip().endswith("False")


def test_a_torchrun_process_joins_the_group(shapes, tmp_path):
    """Two processes, as torchrun starts them, train the tiny model and write one run."""
    data = ["--images", shapes / "train", "--annotations", shapes / "annotations/train.json"]
    own = ["--backbone", "resnet18", "--output", tmp_path / "run", "SOLVER.MAX_ITER", 2, *TINY]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += [str(ROOT / "tools/train_net.py"), *map(str, data), *map(str, own)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "run/model_final.pth").is_file()
    assert "World size: 2" in (tmp_path / "run/log.txt").read_text()
