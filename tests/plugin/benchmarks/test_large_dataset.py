"""The benchmark of large sets, on a small one."""

import importlib.util
import mmap
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog
from pycocotools import mask as coco_mask

from maskrcnn_project.benchmarks import large_dataset as scale
from maskrcnn_project.benchmarks.large_dataset import memory_of, read_annotations, write_synthetic_set
from maskrcnn_project.datasets.coco_file import read_coco_file
from tests.places import ROOT

TOOL = ROOT / "tools" / "benchmark_data.py"


def test_the_synthetic_set_is_sound(tmp_path):
    json_file, image_root = write_synthetic_set(tmp_path / "one", 20, 300)
    file = read_coco_file(json_file, image_root)
    assert (len(file.images), len(file.annotations)) == (20, 300)
    crowds = [row for row in file.annotations if row["iscrowd"]]
    assert len(crowds) == 3
    for row in file.annotations:
        x, y, width, height = row["bbox"]
        assert width > 0 and height > 0 and x >= 0 and y >= 0 and x + width <= 640 and y + height <= 480
        if row["iscrowd"]:
            assert sum(row["segmentation"]["counts"]) == 480 * 640
            assert coco_mask.area(coco_mask.frPyObjects(row["segmentation"], 480, 640)) > 0
        else:
            outline = np.array(row["segmentation"][0]).reshape(-1, 2)
            assert 8 <= len(outline) <= 24
            assert np.allclose(outline.min(axis=0), (x, y), atol=0.02)
    again, _ = write_synthetic_set(tmp_path / "two", 20, 300)
    assert again.read_bytes() == json_file.read_bytes()


def test_the_mapper_reads_every_annotation():
    record = {
        "height": 4,
        "width": 6,
        "annotations": [
            {"bbox": [0, 1, 2, 3], "segmentation": [[0, 0, 2, 0, 2, 2], [1, 1, 2, 1, 2, 2]]},
            {"bbox": [4, 5, 6, 7], "segmentation": {"size": [4, 6], "counts": b"04"}},
        ],
    }
    sample = read_annotations(record)
    assert sample["boxes"].tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert sample["mask_numbers"] == 12 + 2  # coordinates, and bytes of run lengths
    assert read_annotations({**record, "annotations": []})["boxes"].shape == (0, 4)


@pytest.mark.skipif(
    not os.path.exists("/proc/self/smaps_rollup"), reason="only Linux tells what pages a process shares"
)
def test_memory_of_a_process():
    before = memory_of()
    # from the system itself: numpy may be given memory that the process holds already
    with mmap.mmap(-1, 64 * 2**20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as block:
        block.write(b"x" * len(block))
        after = memory_of()
    assert 60 < after["Uss"] - before["Uss"] < 140  # the text that was written may still be there as well
    assert after["Pss"] >= after["Uss"]
    assert memory_of(-1) is None


@pytest.fixture
def small_set(tmp_path):
    yield [str(path) for path in write_synthetic_set(tmp_path / "small", 64, 600)]
    for catalog in (DatasetCatalog, MetadataCatalog):
        if "large" in catalog.list():
            catalog.remove("large")


def test_each_step_is_measured(small_set):
    costs = [step(*small_set) for step in scale.STEPS]
    assert [cost.step for cost in costs] == [
        "read and check the JSON file",
        "register and load the records",
        "build the training loader",
        "one epoch with 2 workers",
    ]
    assert all(0 < cost.seconds < 60 and cost.peak_megabytes > 10 for cost in costs)
    assert costs[1].remarks == ("64 records",)
    workers = [remark for remark in costs[3].remarks if re.match(r"worker \d: ", remark)]
    assert len(workers) == scale.WORKERS


def test_the_tool(tmp_path, monkeypatch, capsys):
    spec = importlib.util.spec_from_file_location("benchmark_data", TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    cost = scale.Cost("read", 1.25, 300.4, ("a remark",))
    monkeypatch.setattr(scale, "measure_costs", lambda json_file, image_root: iter([cost]))
    monkeypatch.setattr(
        sys, "argv", ["benchmark_data.py", "--images", "3", "--instances", "5", "--folder", str(tmp_path)]
    )
    tool.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("3 images, 5 instances, ")
    assert lines[2].split() == ["read", "1.2", "300"]
    assert lines[3] == "  a remark"
    assert os.listdir(tmp_path) == []  # nothing is left behind


def test_the_tool_refuses_nothing_to_measure():
    bad = subprocess.run([sys.executable, TOOL, "--images", "0"], capture_output=True, text=True, cwd=TOOL.parents[1])
    sentence = "error: --num-images and --num-instances must be at least 1, but 0 and 1000000 came.\n"
    assert (bad.returncode, bad.stderr) == (1, sentence)
