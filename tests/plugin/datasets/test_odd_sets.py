"""
What the check passes trains: each odd set is refused by the gate of train_net.py, or goes all the way through
registration, loading, the mapper of a training, a step of training, prediction and the evaluation without an exception.
The slow test does the same with the tools themselves, and exports the model.
"""

import copy
import runpy
import sys
from unittest import mock

import numpy as np
import pytest
import torch
from detectron2.data import DatasetCatalog, DatasetMapper, MetadataCatalog
from detectron2.evaluation import COCOEvaluator
from detectron2.modeling import build_model
from detectron2.structures import Boxes, Instances
from PIL import Image

from maskrcnn_project.datasets.checking.precheck import refuse_errors
from maskrcnn_project.datasets.checking.split_tables import SplitTables
from maskrcnn_project.datasets.coco_file import coco_file_of, read_json
from maskrcnn_project.datasets.register import register_coco_dataset
from maskrcnn_project.datasets.statistics import mask_format_of
from maskrcnn_project.errors import DatasetError
from tests.contract.tiny import tiny_cfg, train_step
from tests.places import ROOT
from tests.plugin.datasets.odd_sets import (
    HEIGHT,
    IMAGES,
    WIDTH,
    along_rows,
    boxes,
    each,
    halved,
    in_percent,
    mirrored,
    of_next_row,
    only_tables,
    points,
    polygons,
    polygons_through_centres,
    put,
    renumbered,
    run_lengths,
    segmentations,
    shifted_images,
    sound,
    text,
    with_rows,
    without,
)
from tests.plugin.test_run_folder_end_to_end import TINY

pytestmark = pytest.mark.usefixtures("own_catalogs")

TRAINS = ""
LARGE = 2**70
SHORT = [1, 2, 3, 4]
ROW = sound()["annotations"][0]
LIST_OF_RUNS = {"size": [HEIGHT, WIDTH], "counts": [96, 40, HEIGHT * WIDTH - 136]}


def also(value):
    """A function that adds a polygon to a mask."""
    return lambda segmentation: [*segmentation, value]


# name -> (builder, what the refusal names; TRAINS if none)
ODD_SETS = {
    "sound": (text(), TRAINS),
    # Read as it is meant.
    "byte order mark": (text(lambda t: "\ufeff" + t), TRAINS),
    "sizes 64.0": (each("images", lambda row: row.update(height=float(HEIGHT), width=float(WIDTH))), TRAINS),
    "image ids 1.0": (renumbered("images", "image_id", float), TRAINS),
    "category ids 1.0": (renumbered("categories", "category_id", float), TRAINS),
    "annotation ids 1.0": (renumbered("annotations", "", float), TRAINS),
    "RLE size 64.0": (run_lengths(lambda rle: {**rle, "size": [float(HEIGHT), float(WIDTH)]}), TRAINS),
    "run lengths 3.0": (run_lengths(lambda _: {**LIST_OF_RUNS, "counts": [96.0, 40.0, 2936.0]}), TRAINS),
    "ignore 1": (put("annotations", "ignore", 1), TRAINS),
    "ignore 0": (put("annotations", "ignore", 0, only=range(12)), TRAINS),
    "ignore true": (put("annotations", "ignore", True), TRAINS),
    "ignore '1'": (put("annotations", "ignore", "1"), TRAINS),
    "ignore null": (put("annotations", "ignore", None), TRAINS),
    "all ignored": (put("annotations", "ignore", 1, only=range(12)), "rle-all-crowd"),
    # The file.
    "cut off": (text(lambda t: t[:-20]), "is not JSON"),
    "nested too deep": (text(lambda t: t[:-1] + ', "info": ' + "[" * 200_000 + "]" * 200_000 + "}"), "nests"),
    "a number too long": (text(lambda t: t.replace('"area": 192', '"area": 1' + "0" * 5000)), "digits"),
    "a list": (lambda: "[]", "COCO wants an object"),
    "no categories": (only_tables(categories=[]), "table-empty"),
    "no annotations": (only_tables(annotations=[]), "table-empty"),
    "no images": (only_tables(images=[], annotations=[]), "table-empty"),
    "annotations null": (only_tables(annotations=None), "no list"),
    # Ids and references.
    "image ids of 71 bits": (renumbered("images", "image_id", lambda i: LARGE + i), "row-malformed"),
    "category ids of 71 bits": (renumbered("categories", "category_id", lambda i: LARGE + i), "row-malformed"),
    "annotation ids of 71 bits": (renumbered("annotations", "", lambda i: LARGE + i), "row-malformed"),
    "ids of 63 bits": (renumbered("images", "image_id", lambda i: 2**63 - i), TRAINS),
    "negative image ids": (renumbered("images", "image_id", lambda i: -i), "row-malformed"),
    "negative category ids": (renumbered("categories", "category_id", lambda i: -i), TRAINS),
    "negative annotation ids": (renumbered("annotations", "", lambda i: -i), TRAINS),
    "large category ids": (renumbered("categories", "category_id", lambda i: 2**63 - i), "row-malformed"),
    "category ids of 53 bits": (renumbered("categories", "category_id", lambda i: 2**53 - i), TRAINS),
    "large annotation ids": (renumbered("annotations", "", lambda i: 2**63 - i), TRAINS),
    "ids from 0": (renumbered("annotations", "", lambda i: i - 1), TRAINS),
    "text ids": (renumbered("images", "image_id", str), "row-malformed"),
    "ids true": (put("images", "id", True), "row-malformed"),
    "no annotation ids": (without("annotations", "id"), "row-malformed"),
    "annotation ids null": (put("annotations", "id", None, only=range(12)), "row-malformed"),
    "annotation ids repeated": (put("annotations", "id", 5), "annotation-id-repeated"),
    "image ids repeated": (put("images", "id", 2), "image-id-repeated"),
    "category ids repeated": (put("categories", "id", 2), "category-id-repeated"),
    "an unknown image": (put("annotations", "image_id", 77), "image-unknown"),
    "an unknown category": (put("annotations", "category_id", 77), "category-unknown"),
    "a row that is a text": (with_rows("annotations", "text"), "row-malformed"),
    "a row that is null": (with_rows("images", None), "row-malformed"),
    # Names.
    "a class called 7": (put("categories", "name", 7), "row-malformed"),
    "a class of two lines": (put("categories", "name", "nut\nM3"), "row-malformed"),
    "a class with a tab": (put("categories", "name", "nut\tM3"), "row-malformed"),
    "a class of blanks": (put("categories", "name", "  "), "row-malformed"),
    "a class with U+2028": (put("categories", "name", "nut\u2028M3"), "row-malformed"),
    "a class in Chinese": (put("categories", "name", "螺母"), TRAINS),
    "names that differ in case": (put("categories", "name", "Bolt"), TRAINS),
    "names that are the same": (put("categories", "name", "bolt"), "category-name-repeated"),
    "file names with backslashes": (put("images", "file_name", "C:\\data\\1.png"), "image-missing"),
    "file names in capitals": (put("images", "file_name", "1.PNG"), "image-missing"),
    "file names with a zero byte": (put("images", "file_name", "1\0.png"), "image-missing"),
    "one file twice": (with_rows("images", {**sound()["images"][0], "id": 9}), TRAINS),
    # Sizes.
    "no sizes": (without("images", "height", only=(0,)), "row-malformed"),
    "sizes as text": (put("images", "height", str(HEIGHT)), "row-malformed"),
    "size 0": (put("images", "width", 0), "row-malformed"),
    "size 48.5": (put("images", "height", 48.5), "row-malformed"),
    "an image of 5000x1": (
        with_rows("images", {"id": 9, "file_name": "thin.png", "height": 1, "width": 5000}),
        "image-thin",
    ),
    "no objects in an image": (with_rows("images", {"id": 9, "file_name": "5.png", "height": 48, "width": 64}), TRAINS),
    # Crowds and keys.
    "no iscrowd": (without("annotations", "iscrowd"), TRAINS),
    "no area": (without("annotations", "area"), TRAINS),
    "area null": (put("annotations", "area", None), TRAINS),
    "iscrowd true": (put("annotations", "iscrowd", True), TRAINS),
    "iscrowd '0'": (put("annotations", "iscrowd", "0"), "crowd-malformed"),
    "iscrowd null": (put("annotations", "iscrowd", None), "crowd-malformed"),
    "all crowds": (put("annotations", "iscrowd", 1, only=range(12)), "rle-all-crowd"),
    # Boxes.
    "no box": (without("annotations", "bbox", only=(0,)), "box-malformed"),
    "boxes of text": (put("annotations", "bbox", ["1", "2", "3", "4"]), "box-malformed"),
    "a box with NaN": (put("annotations", "bbox", [1, 2, float("nan"), 4]), "box-malformed"),
    "a box of no width": (put("annotations", "bbox", [1, 2, 0, 4]), "box-empty"),
    "a box of negative width": (put("annotations", "bbox", [30, 2, -4, 4]), "box-empty"),
    "a box beyond the image": (put("annotations", "bbox", [30, 4, 400, 10]), TRAINS),
    "boxes of corners": (boxes(lambda x, y, w, h: [x, y, x + w, y + h]), "box-corners"),
    "boxes in 0..1": (boxes(lambda x, y, w, h: [x / WIDTH, y / HEIGHT, w / WIDTH, h / HEIGHT]), "boxes-normalised"),
    "one box in 0..1": (boxes(lambda *box: [0.5, 0.1, 0.3, 0.2], only=(0,)), TRAINS),
    "boxes at half size": (boxes(lambda *box: [side / 2 for side in box]), "scale-differs"),
    "boxes at double size": (boxes(lambda *box: [side * 2 for side in box]), "scale-differs"),
    "boxes of y, x": (boxes(lambda x, y, w, h: [y, x, h, w]), "boxes-swapped"),
    "boxes of y, x, one row": (boxes(lambda x, y, w, h: [y, x, h, w], only=(0,)), TRAINS),
    "boxes in percent": (boxes(in_percent), "boxes-percent"),
    "polygons in percent": (points(lambda x, y: (x / WIDTH * 100, y / HEIGHT * 100), "polygons"), "polygons-percent"),
    "boxes of the centre": (boxes(lambda x, y, w, h: [x + w / 2, y + h / 2, w, h]), "boxes-centred"),
    "boxes elsewhere": (boxes(lambda x, y, w, h: [x / 3, 0.7 * y + 12, 3, 3]), "boxes-differ"),
    "polygons elsewhere": (points(lambda x, y: (x / 3, 0.7 * y + 12), "polygons"), "boxes-differ"),
    "polygons outside of the images": (points(lambda x, y: (x + 90, y), "polygons"), "mask-empty"),
    "boxes mirrored": (boxes(lambda x, y, w, h: [WIDTH - x - w, y, w, h]), "mirror-differs"),
    "polygons mirrored": (points(lambda x, y: (x, HEIGHT - y), "polygons"), "mirror-differs"),
    "run lengths mirrored": (segmentations(mirrored, "rle"), "mirror-differs"),
    "boxes of the next row": (of_next_row("bbox"), "rows-differ"),
    "masks of the next row": (of_next_row("segmentation"), "rows-differ"),
    "images of two sizes, shifted": (shifted_images, "annotations-shifted"),
    # Masks.
    "no masks": (put("annotations", "segmentation", [], only=range(12)), "mask-missing"),
    "one mask null": (put("annotations", "segmentation", None), "mask-missing"),
    "one mask ''": (put("annotations", "segmentation", ""), "mask-missing"),
    "half of the masks not there": (without("annotations", "segmentation", only=range(0, 12, 2)), "mask-missing"),
    "polygons in 0..1": (points(lambda x, y: (x / WIDTH, y / HEIGHT), "polygons"), "polygons-normalised"),
    "polygons of y, x": (points(lambda x, y: (y, x)), "polygons-swapped"),
    "polygons at half size": (points(lambda x, y: (x / 2, y / 2), "polygons"), "scale-differs"),
    "a flat polygon": (polygons(lambda s: s[0]), "polygon-flat"),
    "pairs of points": (polygons(lambda s: [list(zip(s[0][::2], s[0][1::2], strict=True))]), "mask-malformed"),
    "one list too many": (polygons(lambda s: [s]), "mask-malformed"),
    "two points": (polygons(lambda _: [SHORT]), "polygon-short"),
    "two points, closed": (polygons(lambda _: [[*SHORT, 1, 2]]), "polygon-short"),
    "an odd value": (polygons(lambda s: [s[0][:-1]]), "polygon-short"),
    "two points beside a polygon": (polygons(also(SHORT)), TRAINS),
    "two points before a polygon": (polygons(lambda s: [SHORT, *s]), TRAINS),
    "an odd value beside a polygon": (polygons(also([1, 2, 3, 4, 5, 6, 7])), TRAINS),
    "an empty list beside a polygon": (polygons(also([])), TRAINS),
    "null beside a polygon": (polygons(also(None)), "mask-malformed"),
    "a polygon with NaN": (polygons(also([1, 2, 3, float("nan"), 5, 6])), "polygon-not-finite"),
    "a polygon beyond the image": (polygons(lambda _: [[30, 4, 500, 4, 500, 20]]), TRAINS),
    "a polygon without a pixel": (polygons(lambda _: [[30.1, 4.1, 30.2, 4.1, 30.2, 4.2]]), TRAINS),
    "a polygon that crosses itself": (polygons(lambda _: [[30, 4, 50, 14, 50, 4, 30, 14]]), TRAINS),
    "run lengths cut off": (run_lengths(lambda rle: {**rle, "counts": rle["counts"][:-2]}), "rle-malformed"),
    "run lengths ''": (run_lengths(lambda rle: {**rle, "counts": ""}), "rle-malformed"),
    "run lengths of bytes": (run_lengths(lambda rle: {**rle, "counts": str(rle["counts"].encode())}), "rle-malformed"),
    "run lengths in a list": (run_lengths(lambda rle: [rle]), "mask-malformed"),
    "a list of run lengths": (run_lengths(lambda _: LIST_OF_RUNS), TRAINS),
    "runs that do not fill": (run_lengths(lambda _: {**LIST_OF_RUNS, "counts": [96, 40]}), "rle-malformed"),
    "negative runs": (run_lengths(lambda _: {**LIST_OF_RUNS, "counts": [96, -40, 3016]}), "rle-malformed"),
    "run lengths of another size": (run_lengths(lambda rle: {**rle, "size": [WIDTH, HEIGHT]}), "rle-size"),
    "run lengths of half the size": (run_lengths(halved), "rle-size"),
    "polygons through pixel centres": (polygons_through_centres, TRAINS),
    "run lengths along the rows": (segmentations(along_rows, "rle"), "rle-row-major"),
    "run lengths without a pixel": (run_lengths(lambda _: {**LIST_OF_RUNS, "counts": [HEIGHT * WIDTH]}), TRAINS),
}  # fmt: skip


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for number in range(1, IMAGES + 2):
        Image.fromarray(np.full((HEIGHT, WIDTH, 3), 40 * number, np.uint8)).save(folder / f"{number}.png")
    Image.fromarray(np.zeros((1, 5000, 3), np.uint8)).save(folder / "thin.png")
    return folder


@pytest.mark.parametrize("name", ODD_SETS)
def test_an_odd_set_is_refused_or_trains(name, images, tmp_path):
    build, refusal = ODD_SETS[name]
    file = tmp_path / "set.json"
    file.write_text(build(), encoding="utf-8")
    if refusal:
        with pytest.raises(DatasetError) as caught:
            pass_gate(file, images)
        assert refusal in str(caught.value) and str(file) in str(caught.value)
        return
    pass_gate(file, images)
    register_coco_dataset("odd", file, images)
    records = DatasetCatalog.get("odd")
    mapped = map_all(records)
    model = trained_a_step(mapped)
    evaluate(records, model)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, (_, refusal) in ODD_SETS.items() if not refusal])
def test_an_odd_set_goes_through_the_tools(name, images, tmp_path):
    file = tmp_path / "set.json"
    file.write_text(ODD_SETS[name][0](), encoding="utf-8")
    sets = ["--images", images, "--annotations", file, "--val-images", images, "--val-annotations", file]
    own = ["--backbone", "resnet18", "--short-edge", 64, "--output", tmp_path / "run", "--batch-size", 2]
    assert run_tool_here("train_net", *sets, *own, *TINY, "SOLVER.MAX_ITER", 2) == 0
    assert (tmp_path / "run" / "inference" / "report.html").is_file()
    found = ["--input", images, "--output", tmp_path / "found", "--score-threshold", 0]
    assert run_tool_here("predict", "--run", tmp_path / "run", *found) == 0
    model = tmp_path / "model.ts"
    assert run_tool_here("export_model", "--run", tmp_path / "run", "--format", "torchscript", "--output", model) == 0
    assert model.is_file()


def run_tool_here(name, *words):
    """The exit code of a tool that runs in this process, which saves it the start."""
    path = str(ROOT / "tools" / f"{name}.py")
    with mock.patch.object(sys, "argv", [path, *map(str, words)]):
        try:
            runpy.run_path(path, run_name="__main__")
        except SystemExit as end:
            return end.code or 0
    return 0


def pass_gate(file, images):
    """What train_net.py does with a file before it writes anything."""
    content = read_json(file)
    refuse_errors(SplitTables.of_content("train", file, images, content))
    coco_file_of(file, content, images)


def map_all(records):
    """Every image as in training, with the masks in the form that is chosen for the set."""
    mask_format = mask_format_of(row for record in records for row in record["annotations"])
    mapper = DatasetMapper(
        is_train=True, augmentations=[], image_format="BGR", use_instance_mask=True, instance_mask_format=mask_format
    )
    mapped = [mapper(copy.deepcopy(record)) for record in records]
    assert all(each["instances"].has("gt_masks") for each in mapped if len(each["instances"]))
    assert sum(len(each["instances"]) for each in mapped) > 0
    return mapped


def trained_a_step(mapped):
    """A narrow model for two classes after a step on all images with objects."""
    cfg = tiny_cfg()
    torch.manual_seed(0)
    model = build_model(cfg)
    train_step(cfg, model, [each for each in mapped if len(each["instances"])])
    return model.eval()


def evaluate(records, model):
    """What the model finds, and one object more, against what the evaluator reads from disk."""
    evaluator = COCOEvaluator("odd", tasks=("bbox", "segm"), distributed=False)
    evaluator.reset()
    mapper = DatasetMapper(is_train=False, augmentations=[], image_format="BGR")
    for record in records:
        image = mapper({key: value for key, value in record.items() if key != "annotations"})
        with torch.no_grad():
            predicted = model([image])[0]["instances"]
        found = Instances(predicted.image_size)
        found.pred_boxes = Boxes(torch.tensor([[30.0, 4.0, 50.0, 14.0]]))
        found.scores, found.pred_classes = torch.tensor([0.9]), torch.tensor([0])
        found.pred_masks = torch.zeros(1, *predicted.image_size, dtype=torch.bool)
        found.pred_masks[:, 4:14, 30:50] = True
        evaluator.process([image], [{"instances": Instances.cat([predicted, found])}])
    results = evaluator.evaluate()
    assert {"bbox", "segm"} <= set(results)


def test_a_set_with_notes_is_evaluated_as_it_is_read(images, tmp_path):
    """The evaluator reads a copy with the values as they are meant; the user's own file stays as it is."""
    file = tmp_path / "set.json"
    file.write_text(put("annotations", "ignore", 1)(), encoding="utf-8-sig")
    before = file.read_bytes()
    register_coco_dataset("odd", file, images)
    copied = read_json(MetadataCatalog.get("odd").json_file)
    assert "ignore" not in copied["annotations"][0] and copied["annotations"][0]["iscrowd"] == 1
    assert DatasetCatalog.get("odd")[0]["annotations"][0]["iscrowd"] == 1
    assert file.read_bytes() == before
