"""
What a large dataset costs: seconds and memory of each step from the JSON file to the workers of the loader.

Each step is measured in a process of its own, since the peak of a process never falls again.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

IMAGE_SIZE = (480, 640)  # height, width: the common size in COCO
CLASSES = 10
MAX_POLYGON = 24  # points; the shortest has 8: outlines as drawn by hand
CROWD_EVERY = 100  # annotations: crowds are rare, as in COCO's own files
KILOBYTES_PER_MAXRSS = 1 / 1024 if sys.platform == "darwin" else 1  # getrusage(2): bytes there, kilobytes elsewhere
WORKERS = 2
BATCH_SIZE = 16


@dataclass(frozen=True)
class Cost:
    """What one step took, and remarks on its memory."""

    step: str
    seconds: float
    peak_megabytes: float  # of the whole process, with all steps before
    remarks: tuple[str, ...] = ()


def write_synthetic_set(folder: Path, num_images: int, num_instances: int, seed: int = 0) -> tuple[Path, Path]:
    """
    Writes a COCO file of polygons and, for crowds, run lengths, and an empty file for each image it lists.

    Returns:
        the JSON file and the image folder.
    """
    rng = np.random.default_rng(seed)
    json_file, image_root = folder / "large.json", folder / "images"
    image_root.mkdir(parents=True)
    height, width = IMAGE_SIZE
    images = [
        {"id": i + 1, "file_name": f"{i + 1:07d}.jpg", "height": height, "width": width} for i in range(num_images)
    ]
    for image in images:
        (image_root / str(image["file_name"])).touch()
    categories = [{"id": i + 1, "name": f"class {i + 1}", "supercategory": "thing"} for i in range(CLASSES)]
    with json_file.open("w", encoding="utf-8") as file:
        file.write(f'{{"images": {json.dumps(images)}, "categories": {json.dumps(categories)}, "annotations": [')
        rows = synthetic_annotations(rng, num_images, num_instances)
        for row in tqdm(rows, total=num_instances, desc="Writing", unit="instance", leave=False, disable=None):
            file.write(("" if row["id"] == 1 else ", ") + json.dumps(row))
        file.write("]}")
    return json_file, image_root


def synthetic_annotations(rng: np.random.Generator, num_images: int, num_instances: int) -> Iterator[dict[str, Any]]:
    """Instances in random images: wobbling circles as polygons, and every hundredth a crowd as run lengths."""
    height, width = IMAGE_SIZE
    for number in range(1, num_instances + 1):
        points = int(rng.integers(8, MAX_POLYGON + 1))
        radius = rng.uniform(4, 60) * rng.uniform(0.8, 1.0, points)
        angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
        centre = rng.uniform((60, 60), (width - 60, height - 60))
        outline = np.stack([centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle)], axis=1)
        low, high = outline.min(axis=0), outline.max(axis=0)
        crowd = number % CROWD_EVERY == 0
        start = int(centre[0]) * height
        runs = {"size": [height, width], "counts": [start, height, height * width - start - height]}
        yield {
            "id": number,
            "image_id": int(rng.integers(num_images)) + 1,
            "category_id": int(rng.integers(CLASSES)) + 1,
            "iscrowd": int(crowd),
            "area": round(float(np.prod(high - low)), 2),
            "bbox": [round(float(v), 2) for v in (*low, *(high - low))],
            "segmentation": runs if crowd else [outline.round(2).ravel().tolist()],
        }


def measure_costs(json_file: Path, image_root: Path) -> Iterator[Cost]:
    """The cost of each step, one after the other, each in a fresh process that does the earlier steps as well."""
    for step in STEPS:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), use_the_default_start) as process:
            yield process.submit(step, str(json_file), str(image_root)).result()


def use_the_default_start() -> None:
    """A spawned process spawns its own workers as well; a training's are started as the system does by default."""
    multiprocessing.set_start_method(multiprocessing.get_all_start_methods()[0], force=True)


def cost_of_reading(json_file: str, image_root: str) -> Cost:
    from maskrcnn_project.datasets.coco_file import read_coco_file

    seconds, _ = _time(read_coco_file, json_file, image_root)
    return Cost("read and check the JSON file", seconds, _peak_megabytes())


def cost_of_loading(json_file: str, image_root: str) -> Cost:
    import maskrcnn_project.datasets.register  # noqa: F401  # importing torch is no cost of the data

    seconds, records = _time(_load, json_file, image_root)
    return Cost("register and load the records", seconds, _peak_megabytes(), (f"{len(records)} records",))


def cost_of_serialising(json_file: str, image_root: str) -> Cost:
    records = _load(json_file, image_root)
    before = memory_of()
    seconds, loader = _time(_loader, records)
    del records
    remark = f"the process holds {_megabytes(before)} with the records, {_megabytes(memory_of())} with the loader alone"
    del loader
    return Cost("build the training loader", seconds, _peak_megabytes(), (remark,))


def cost_of_an_epoch(json_file: str, image_root: str) -> Cost:
    """Every record once through the loader's workers, and the memory of each worker at both ends."""
    records = _load(json_file, image_root)
    batches, loader = len(records) // BATCH_SIZE, iter(_loader(records))
    del records
    for _ in range(WORKERS * 4):  # until each worker has given some batches
        next(loader)
    pids = [process.pid for process in multiprocessing.active_children() if process.pid]
    first = {pid: memory_of(pid) for pid in pids}
    progress = tqdm(total=batches, desc="Epoch", unit="batch", leave=False, disable=None)
    seconds, _ = _time(lambda: [progress.update() for _ in itertools.islice(loader, batches)])
    last = {pid: memory_of(pid) for pid in pids}
    remarks = [f"worker {n}: {_megabytes(first[p])} -> {_megabytes(last[p])}" for n, p in enumerate(pids, start=1)]
    remarks.append(f"the process itself: {_megabytes(memory_of())}")
    return Cost(f"one epoch with {WORKERS} workers", seconds, _peak_megabytes(), tuple(remarks))


STEPS = (cost_of_reading, cost_of_loading, cost_of_serialising, cost_of_an_epoch)


def read_annotations(record: dict[str, Any]) -> dict[str, Any]:
    """A mapper that reads every annotation of a record and opens no image."""
    boxes = np.array([annotation["bbox"] for annotation in record["annotations"]], dtype=np.float32).reshape(-1, 4)
    masks = [annotation["segmentation"] for annotation in record["annotations"]]
    numbers = sum(len(mask["counts"]) if isinstance(mask, dict) else sum(map(len, mask)) for mask in masks)
    return {"height": record["height"], "width": record["width"], "boxes": boxes, "mask_numbers": numbers}


def memory_of(pid: int | str = "self") -> dict[str, float] | None:
    """
    Megabytes of a process: "Pss" (its pages, shared ones divided by their users) and "Uss" (pages of its own).

    None where the system does not tell: only Linux has /proc/PID/smaps_rollup.
    """
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()[1:]
    except OSError:
        return None
    kilobytes = {key: int(value.split()[0]) for key, _, value in (line.partition(":") for line in lines)}
    own = kilobytes["Private_Clean"] + kilobytes["Private_Dirty"]
    return {"Pss": kilobytes["Pss"] / 1024, "Uss": own / 1024}


def _load(json_file: str, image_root: str) -> list[dict[str, Any]]:
    from detectron2.data import get_detection_dataset_dicts

    from maskrcnn_project.datasets.register import register_coco_dataset

    register_coco_dataset("large", json_file, image_root)
    return get_detection_dataset_dicts(["large"])


def _loader(records: list[dict[str, Any]]) -> Any:
    from detectron2.data import build_detection_train_loader

    return build_detection_train_loader(
        records, mapper=read_annotations, total_batch_size=BATCH_SIZE, num_workers=WORKERS
    )


def _time(call: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    start = time.perf_counter()
    result = call(*arguments)
    return time.perf_counter() - start, result


def _peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KILOBYTES_PER_MAXRSS / 1024


def _megabytes(memory: dict[str, float] | None) -> str:
    if memory is None:
        return "an unknown amount"
    return f"{memory['Uss']:.0f} MB of its own (Pss {memory['Pss']:.0f} MB)"
