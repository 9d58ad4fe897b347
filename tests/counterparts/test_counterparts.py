"""
The programs that own the formats read what is written here, and what they write is read here: LabelMe, Ultralytics and
Datumaro as they are published, each installed into an environment of its own for the test. Skipped where the package
index does not have them. ``make test-counterparts``.
"""

import json
import shutil
import subprocess
import sys
import sysconfig

import numpy as np
import pytest

from maskrcnn_project.datasets.coco_file import read_coco_file
from maskrcnn_project.datasets.conversion.cvat import read_cvat
from maskrcnn_project.datasets.conversion.labelme import write_labelme
from maskrcnn_project.datasets.conversion.yolo_writer import write_yolo
from maskrcnn_project.datasets.shapes.shapes import ShapesOptions, write_shapes
from maskrcnn_project.masks.coding import decode

pytestmark = pytest.mark.counterparts

MIN_IOU = 0.8  # of a mask drawn by others, whose outlines take in a border pixel more or less, and small objects

READ_LABELME = """
import inspect, json, sys
from pathlib import Path
from labelme._label_file import read_label_file
from labelme.utils import shape
found = {}
for path in sorted(Path(sys.argv[1]).rglob("*.json")):
    wants = len(inspect.signature(read_label_file).parameters)
    read = read_label_file(path, *[True] * (wants - 1))
    found[path.stem] = [[one["label"], one["shape_type"], one["group_id"]] for one in read.shapes]
json.dump(found, sys.stdout)
"""

READ_YOLO = """
import json, sys
from ultralytics.data.dataset import YOLODataset
from ultralytics.data.utils import check_det_dataset, polygon2mask
data = check_det_dataset(sys.argv[1], autodownload=False)
found = {}
for row in YOLODataset(img_path=data["train"], data=data, task="segment", augment=False, cache=False).labels:
    height, width = row["shape"]
    masks = [polygon2mask((height, width), [(s * (width, height)).ravel()]) for s in row["segments"]]
    classes = [data["names"][int(c)] for c in row["cls"].ravel()]
    found[row["im_file"]] = [[c, m.nonzero()[0].tolist(), m.nonzero()[1].tolist()] for c, m in zip(classes, masks)]
print("\\nFOUND" + json.dumps(found))
"""

WRITE_CVAT = """
import sys
from datumaro.components.dataset import Dataset
Dataset.import_from(sys.argv[1], "coco_instances").export(sys.argv[2], "cvat", save_media=True)
"""


def environment(folder, *packages, alone=True):
    """The interpreter of a new environment with ``packages``, or a skip; not alone, it sees this one's packages too."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    if not alone:
        site = subprocess.run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
                              capture_output=True, text=True, check=True).stdout.strip()  # fmt: skip
        (folder / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
        shutil.move(folder / "others.pth", site)
    done = subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"the package index does not have {packages[0]}: {done.stderr.strip().splitlines()[-1][:200]}")
    return python


def said(python, code, *words):
    done = subprocess.run([python, "-c", code, *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    """A drawn set: polygons of one and of several parts, and run lengths with holes."""
    folder = tmp_path_factory.mktemp("shapes")
    write_shapes(folder, ShapesOptions(train=12, val=2, size=160))
    return read_coco_file(folder / "annotations" / "train.json", folder / "train")


def rows_of(data):
    names = {row["id"]: row["name"] for row in data.categories}
    stems = {row["id"]: row["file_name"].rpartition(".")[0] for row in data.images}
    for row in data.annotations:
        yield stems[row["image_id"]], names[row["category_id"]], row


def test_labelme_reads_what_is_written(shapes, tmp_path):
    python = environment(tmp_path / "env", "labelme")
    write_labelme(shapes, tmp_path / "labelme")
    found = json.loads(said(python, READ_LABELME, tmp_path / "labelme"))
    assert set(found) == {row["file_name"].rpartition(".")[0] for row in shapes.images}
    wanted = {stem: [] for stem in found}
    for stem, name, _ in rows_of(shapes):
        wanted[stem].append(name)
    for stem, parts in found.items():
        objects = {group if group is not None else (number,): label for number, (label, _, group) in enumerate(parts)}
        assert sorted(objects.values()) == sorted(wanted[stem])


def test_ultralytics_reads_what_is_written(shapes, tmp_path):
    # of what it wants, torch and the like are here already; its own versions of them would take minutes
    light = ("matplotlib", "psutil", "requests", "polars", "ultralytics-thop")
    python = environment(tmp_path / "env", "ultralytics", "--no-deps", *light, alone=False)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "requests", "matplotlib", "polars"], check=False)
    for split in ("train", "val"):
        write_yolo(shapes, tmp_path / "yolo", split)
    text = said(python, READ_YOLO, tmp_path / "yolo" / "data.yaml")
    found = json.loads(text.rpartition("FOUND")[2])
    by_stem = {path.rpartition("/")[2].rpartition(".")[0]: rows for path, rows in found.items()}
    sizes = {row["file_name"].rpartition(".")[0]: (row["height"], row["width"]) for row in shapes.images}
    remaining = {stem: list(rows) for stem, rows in by_stem.items()}
    for stem, name, row in rows_of(shapes):
        if row.get("iscrowd"):
            continue
        mask = decode(row["segmentation"], *sizes[stem])
        ious = []
        for label, ys, xs in remaining[stem]:
            other = np.zeros(sizes[stem], bool)
            other[ys, xs] = True
            ious.append((mask & other).sum() / (mask | other).sum() if label == name else 0.0)
        best = int(np.argmax(ious))
        assert ious[best] > MIN_IOU
        remaining[stem].pop(best)
    assert not any(remaining.values())


def test_what_datumaro_writes_for_cvat_is_read(shapes, tmp_path):
    python = environment(tmp_path / "env", "datumaro")
    source = tmp_path / "coco"
    shutil.copytree(shapes.image_root, source / "images" / "train")
    (source / "annotations").mkdir()
    content = {**shapes.as_dict(), "annotations": [r for r in shapes.annotations if not r.get("iscrowd")]}
    (source / "annotations" / "instances_train.json").write_text(json.dumps(content))
    said(python, WRITE_CVAT, source, tmp_path / "cvat")
    [xml] = (tmp_path / "cvat").rglob("*.xml")
    images = tmp_path / "cvat" / "images"
    back = read_cvat(xml, next((path for path in (images / "train", images) if path.is_dir()), None))
    sizes = {row["file_name"].rpartition("/")[2]: (row["height"], row["width"]) for row in back.coco["images"]}
    names = {row["id"]: row["file_name"].rpartition("/")[2] for row in back.coco["images"]}
    areas, wanted = {}, {}
    for row in back.coco["annotations"]:
        mask = decode(row["segmentation"], *sizes[names[row["image_id"]]])
        areas.setdefault(names[row["image_id"]], []).append(int(mask.sum()))
    files = {row["id"]: row["file_name"] for row in shapes.images}
    for row in content["annotations"]:
        mask = decode(row["segmentation"], *sizes[files[row["image_id"]]])
        wanted.setdefault(files[row["image_id"]], []).append(int(mask.sum()))
    assert {name: sum(found) for name, found in areas.items()} == {name: sum(each) for name, each in wanted.items()}
