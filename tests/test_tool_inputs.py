"""
No tool overwrites an input: each is run on one folder of images, annotations and a model, with outputs that point back
at it. Files that were there keep their bytes; what is refused is refused in one sentence. A new tool needs a row.
"""

import io
import json
import runpy
import signal
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

import cv2
import numpy as np
import pytest
import torch
from detectron2.data import DatasetCatalog, MetadataCatalog

from maskrcnn_project.benchmarks import benchmark, large_dataset
from maskrcnn_project.config import add_maskrcnn_config
from maskrcnn_project.datasets.shapes.shapes import ShapesOptions, write_shapes
from maskrcnn_project.masks.coding import as_rle
from maskrcnn_project.modeling import build_model
from maskrcnn_project.modeling.class_table import ClassTable
from tests.contract.tiny import tiny_cfg
from tests.places import ROOT

INTERRUPTED = 130  # the exit code of a process that Ctrl+C ended before it listened
TOOLS = sorted(file.stem for file in (ROOT / "tools").glob("*.py"))
DATA = "--images {images} --annotations {json}"
TRAINING = (
    "--backbone resnet18 SOLVER.MAX_ITER 1 MODEL.FPN.OUT_CHANNELS 16 MODEL.ROI_BOX_HEAD.FC_DIM 16 "
    "MODEL.ROI_MASK_HEAD.CONV_DIM 16 MODEL.ROI_MASK_HEAD.NUM_CONV 1 DATALOADER.NUM_WORKERS 0 TEST.EVAL_PERIOD 0"
)
# Of each tool, commands and the exit codes that they end with. {images} has pictures, some of one name in two folders,
# and {json} lists them; {run} is a trained model; {strange} holds another's picture called as one of the images.
ROWS = {
    "analyze_dataset": [
        (DATA + " --quick --output {json}", 1),
        (DATA + " --quick --output {images}/a/same.png --force", 1),
    ],
    "analyze_model": [("--run {run} --no-memory", 0)],
    "benchmark": [("--json --config-file {run}/config.yaml --size 64 64 --batch-size 1 --repeats 1", 0)],
    "benchmark_data": [("--num-images 4 --num-instances 8 --folder {root}", 0)],
    "check_dataset": [
        (DATA + " --fix {json}", 1),
        (DATA + " --report {json}", 1),
        (DATA + " --quick --fix {images}/a/same.png", 1),
    ],
    "convert_dataset": [
        ("--to labelme --input {json} --images {images} --output {images}", 0),
        ("--to labelme --input {json} --images {images} --output {images}", 1),
        ("--from labelme --input {images} --output {json}", 1),
        ("--to yolo --input {json} --images {images} --output {images}", 0),
        ("--to yolo --input {json} --images {images} --output {images}", 1),
    ],
    "edit_dataset": [
        ("split --annotations {json} --output {root} --parts set=0.5 other=0.5 --force", 1),
        ("merge --annotations {json} {json} --images {images} --output {json}", 1),
        ("subset --annotations {json} --output {json} --number 1", 1),
        ("tile --annotations {json} --images {images} --output {images} --tile 32", 1),
    ],
    "evaluate_results": [("--annotations {json} --results {results} --images {images} --output {root}/report", 0)],
    "export_model": [
        ("--run {run} --weights {run}/model.ts --format torchscript --output {run}/model.ts --force", 1),
        ("--run {run} --format torchscript --output {run}/model.ts", 1),
    ],
    "predict": [
        ("--run {run} --input {images} --output {images}", 1),
        ("--run {run} --input {images} --output {root} --force", 1),
        ("--run {run} --input {images} --output {link} --force", 1),
        ("--run {run} --input {images} --output {images}/found --write drawn,labelme,instances,cutouts,coco", 0),
        ("--run {run} --input {json} --images {images} --output {root}/listed", 0),
    ],
    "serve": [("--run {run} --examples {images} --port 0", 0)],
    "summarize_run": [("--run {run}", 0), ("{run}", 0)],
    "train_net": [(DATA + " --val-images {images} --val-annotations {json} --output {root}/trained " + TRAINING, 0)],
    "visualize_data": [
        (DATA + " --output {images}", 1),
        (DATA + " --output {link}", 1),
        (DATA + " --output {strange}", 1),
        (DATA + " --output {root}/drawn", 0),
        (DATA + " --output {root}/drawn", 0),
    ],
    "visualize_json_results": [
        ("--config-file {config} --results {results} --output {images}", 1),
        ("--config-file {config} --results {results} --output {strange}", 1),
        ("--config-file {config} --results {results} --output {root}/results", 0),
    ],
}


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """The paths that ROWS names. The images: 000001.png, ... and a/same.png, b/same.png, same.jpg."""
    root = tmp_path_factory.mktemp("inputs")
    write_shapes(root / "shapes", ShapesOptions(train=3, val=1, size=64, seed=1))
    images = root / "shapes/train"
    content = json.loads((root / "shapes/annotations/train.json").read_text())
    for number, name in enumerate(("a/same.png", "b/same.png", "same.jpg"), 101):
        (images / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(images / name), np.full((64, 64, 3), number, np.uint8))
        content["images"].append({"id": number, "file_name": name, "height": 64, "width": 64})
    (root / "set.json").write_text(json.dumps(content))
    first = content["annotations"][0]
    found = {key: first[key] for key in ("image_id", "category_id", "bbox")}
    lengths = as_rle(first["segmentation"], 64, 64)
    counts = lengths["counts"]
    text = counts.decode() if isinstance(counts, bytes) else counts
    found |= {"score": 0.9, "segmentation": {"size": [64, 64], "counts": text}}
    (root / "results.json").write_text(json.dumps([found]))
    description = {"name": "inputs", "splits": {"val": {"json": str(root / "set.json"), "images": str(images)}}}
    (root / "description.yaml").write_text(json.dumps(description))
    sets = {"DESCRIPTIONS": [str(root / "description.yaml")], "TEST": ["inputs_val"]}
    (root / "config.yaml").write_text(json.dumps({"DATASETS": sets}))
    (root / "strange").mkdir()
    (root / "strange/000001.png").write_bytes(b"another's")
    (root / "link").symlink_to(images)
    write_run(root / "run")
    names = {"json": "set.json", "results": "results.json", "config": "config.yaml"}
    names |= {name: name for name in ("strange", "link", "run")}
    return {"root": root, "images": images, **{key: root / name for key, name in names.items()}}


def write_run(folder):
    """A model with random weights, also under the name of an export."""
    folder.mkdir()
    cfg = tiny_cfg(folder)
    add_maskrcnn_config(cfg)
    torch.manual_seed(0)
    weights = {"model": build_model(cfg).state_dict(), "classes": ClassTable(("square", "disk"), (3, 7)).state_dict()}
    for name in ("model_final.pth", "model.ts"):
        torch.save(weights, folder / name)
    (folder / "config.yaml").write_text(cfg.dump())


def bytes_of(root):
    return {file: file.read_bytes() for file in root.rglob("*") if file.is_file()}


def run_here(name, words):
    """(exit code, what was said) of a tool in this process; what it registers is taken back."""
    before = [set(catalog.list()) for catalog in (DatasetCatalog, MetadataCatalog)]
    path, said = str(ROOT / "tools" / f"{name}.py"), io.StringIO()
    with mock.patch.object(sys, "argv", [path, *words]), redirect_stdout(said), redirect_stderr(said):
        try:
            runpy.run_path(path, run_name="__main__")
            code = 0
        except SystemExit as end:
            code = end.code or 0
    for catalog, known in zip((DatasetCatalog, MetadataCatalog), before, strict=True):
        for new in set(catalog.list()) - known:
            catalog.remove(new)
    return code, said.getvalue()


def heed_interrupts():
    """What a shell starts in the background ignores SIGINT, and so would all that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run_server(words):
    """The server is asked to end once the page is there."""
    pytest.importorskip("starlette", reason="the extra serve is not installed")
    command = [sys.executable, str(ROOT / "tools/serve.py"), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT,
                          env={"PYTHONPATH": str(ROOT), "PATH": ""}, preexec_fn=heed_interrupts) as server:  # fmt: skip
        said = ""
        for line in server.stdout:
            said += line
            if "The page is at" in line:
                server.send_signal(2)
        code = server.wait(60)
    return (0 if code == INTERRUPTED else code), said


def test_every_tool_has_a_row():
    assert list(ROWS) == TOOLS


@pytest.mark.parametrize("name", TOOLS)
def test_inputs_keep_their_bytes(name, places, monkeypatch):
    monkeypatch.chdir(places["root"])
    monkeypatch.setattr(benchmark, "median_seconds", lambda *stage: 0.0)  # what is written is looked at, not the costs
    monkeypatch.setattr(large_dataset, "measure_costs", lambda *files: [])
    for words, wanted in ROWS[name]:
        command = words.format(**places).split()
        before = bytes_of(places["root"])
        code, said = run_server(command) if name == "serve" else run_here(name, command)
        after = bytes_of(places["root"])
        assert code == wanted, f"{name} {words}\n{said}"
        assert "Traceback" not in said
        changed = [str(file) for file, content in before.items() if after.get(file) != content]
        own = [file for file in changed if Path(file).is_relative_to(places["root"] / "drawn")]
        assert not set(changed) - set(own), f"{name} {words}"  # drawn/ is what the command before has made


def test_pictures_of_images_of_one_name_stand_side_by_side(places, tmp_path):
    """As many pictures as images, whichever tool draws them."""
    images = {file for file in places["images"].rglob("*") if file.suffix in (".png", ".jpg")}
    images = {file for file in images if not {"found", "labels"} & set(file.relative_to(places["images"]).parts)}
    listed = len(json.loads(places["json"].read_text())["images"])
    assert len(images) == listed == 6
    rows = {
        "predict": "--run {run} --input {images} --write drawn",
        "visualize_data": DATA,
        "visualize_json_results": "--config-file {config} --results {results}",
    }
    for name, words in rows.items():
        output = tmp_path / name
        code, said = run_here(name, [*words.format(**places).split(), "--output", str(output)])
        assert code == 0, said
        pictures = [file for file in output.rglob("*.png") if file.name != "sheet.png"]
        assert len(pictures) == listed, name
