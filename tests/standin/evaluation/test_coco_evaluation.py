"""COCO's average precision from predictions to tables, and the recall of proposals."""

import json
import math

import numpy as np
import pytest
import torch
from detectron2.config import get_cfg
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.datasets import register_coco_instances
from detectron2.evaluation import COCOEvaluator
from detectron2.evaluation.coco_evaluation import assign_one_to_one, instances_to_coco_json, proposal_recalls
from detectron2.structures import BitMasks, Boxes, BoxMode, Instances
from pycocotools import mask as mask_util
from pycocotools.coco import COCO

NAME = "test_coco_evaluation"
SIZE = (100, 120)


def square(x, y, side):
    return [[x, y, x + side, y, x + side, y + side, x, y + side]]


def dataset(categories=(3, 7)):
    """Two images, one square each: of the first category on the first, of the last on the second."""
    return {
        "images": [{"id": i, "file_name": f"{i}.png", "height": SIZE[0], "width": SIZE[1]} for i in (10, 20)],
        "categories": [{"id": c, "name": f"class{c}"} for c in categories],
        "annotations": [
            {
                "image_id": 10,
                "category_id": categories[0],
                "bbox": [10, 10, 20, 20],
                "segmentation": square(10, 10, 20),
            },
            {
                "image_id": 20,
                "category_id": categories[-1],
                "bbox": [40, 30, 40, 40],
                "segmentation": square(40, 30, 40),
            },
        ],
    }


@pytest.fixture
def register(tmp_path):
    """Registers a dataset (without ids, areas or crowd flags) and loads it, as building a loader does."""

    def do(data=None, load=True):
        path = tmp_path / "gt.json"
        path.write_text(json.dumps(data or dataset()))
        register_coco_instances(NAME, {}, str(path), str(tmp_path))
        if load and "annotations" in (data or dataset()):
            # The loader is strict about ids; the evaluator must not be.
            whole = json.loads(path.read_text())
            MetadataCatalog.get(NAME).thing_classes = [c["name"] for c in whole["categories"]]
            MetadataCatalog.get(NAME).thing_dataset_id_to_contiguous_id = {
                c["id"]: i for i, c in enumerate(whole["categories"])
            }
        return path

    yield do
    for catalog in (DatasetCatalog, MetadataCatalog):
        if NAME in catalog:
            catalog.remove(NAME)


def make_prediction(boxes, classes, scores, masks=True):
    """Instances whose masks fill their boxes."""
    instances = Instances(SIZE)
    instances.pred_boxes = Boxes(torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4))
    instances.pred_classes = torch.tensor(classes, dtype=torch.int64)
    instances.scores = torch.tensor(scores)
    if masks:
        bits = torch.zeros(len(boxes), *SIZE, dtype=torch.bool)
        for bit, (x0, y0, x1, y1) in zip(bits, boxes, strict=True):
            bit[y0:y1, x0:x1] = True
        instances.pred_masks = bits
    return instances


RIGHT = {
    10: ([[10, 10, 30, 30]], [0], [0.9]),
    20: ([[40, 30, 80, 70]], [1], [0.8]),
}


def run(evaluator, predictions, **options):
    evaluator.reset()
    for image_id, arguments in predictions.items():
        evaluator.process([{"image_id": image_id}], [{"instances": make_prediction(*arguments, **options)}])
    return evaluator.evaluate()


@pytest.mark.parametrize("fast", [True, False])
def test_everything_found(register, fast):
    register()
    results = run(COCOEvaluator(NAME, use_fast_impl=fast), RIGHT)
    assert list(results) == ["bbox", "segm"]
    # 400 pixels are small, 1,600 medium (from 32**2); there is nothing large.
    for task in results:
        assert {k: v for k, v in results[task].items() if k != "APl"} == pytest.approx(
            {"AP": 100, "AP50": 100, "AP75": 100, "APs": 100, "APm": 100, "AP-class3": 100, "AP-class7": 100}
        )
        assert math.isnan(results[task]["APl"])


@pytest.mark.parametrize("fast", [True, False])
def test_classes_are_judged_one_by_one(register, fast):
    register()
    predictions = {10: RIGHT[10], 20: ([[40, 30, 80, 70]], [0], [0.8])}
    results = run(COCOEvaluator(NAME, use_fast_impl=fast), predictions)["bbox"]
    assert results["AP-class3"] == pytest.approx(100) and results["AP-class7"] == 0
    assert results["AP"] == pytest.approx(50)


def test_one_class_has_no_metric_of_its_own(register):
    register(dataset(categories=(4,)))
    results = run(COCOEvaluator(NAME), {10: RIGHT[10]})
    assert set(results["bbox"]) == {"AP", "AP50", "AP75", "APs", "APm", "APl"}
    # One of two objects: recall ends at 1/2, where 51 of the 101 recall levels lie.
    assert results["bbox"]["AP"] == pytest.approx(100 * 51 / 101)


def test_images_may_be_chosen(register):
    register()
    evaluator = COCOEvaluator(NAME)
    run(evaluator, {10: RIGHT[10], 20: ([[0, 0, 5, 5]], [1], [0.9])})
    assert evaluator.evaluate(img_ids=[10])["bbox"]["AP"] == pytest.approx(100)
    assert evaluator.evaluate(img_ids=[20])["bbox"]["AP"] == 0


def test_files_are_written_as_detectron2_names_them(register, tmp_path):
    register()
    folder = tmp_path / "new" / "inference"
    run(COCOEvaluator(NAME, output_dir=str(folder)), RIGHT)
    assert sorted(f.name for f in folder.iterdir()) == ["coco_instances_results.json", "instances_predictions.pth"]
    written = json.loads((folder / "coco_instances_results.json").read_text())
    assert [(r["image_id"], r["category_id"]) for r in written] == [(10, 3), (20, 7)]
    assert written[0]["bbox"] == [10, 10, 20, 20]
    assert mask_util.area(written[1]["segmentation"]) == 1600
    saved = torch.load(folder / "instances_predictions.pth", weights_only=True)
    assert [p["image_id"] for p in saved] == [10, 20]
    assert saved[1]["instances"][0]["category_id"] == 1  # as the model counts


def test_tasks_follow_from_the_predictions_or_the_argument(register):
    register()
    assert list(run(COCOEvaluator(NAME), RIGHT, masks=False)) == ["bbox"]
    assert list(run(COCOEvaluator(NAME, tasks=("segm",)), RIGHT)) == ["segm"]
    assert list(run(COCOEvaluator(NAME, get_cfg()), RIGHT)) == ["bbox", "segm"]


def test_no_detections_are_nan_with_a_sentence(register, caplog, tmp_path):
    register()
    results = run(COCOEvaluator(NAME, ("bbox", "segm"), output_dir=str(tmp_path)), {10: ([], [], [])})
    assert all(math.isnan(results[task][metric]) for task in ("bbox", "segm") for metric in ("AP", "APs"))
    assert "No detection on any image" in caplog.text
    assert json.loads((tmp_path / "coco_instances_results.json").read_text()) == []


def test_no_images_give_no_results(register, caplog):
    register()
    assert run(COCOEvaluator(NAME), {}) == {}
    assert "received no predictions" in caplog.text


def test_reset_forgets(register):
    register()
    evaluator = COCOEvaluator(NAME)
    run(evaluator, {10: ([[0, 0, 9, 9]], [0], [1.0])})
    assert run(evaluator, RIGHT)["bbox"]["AP"] == pytest.approx(100)


def test_more_detections_than_coco_counts(register):
    # 120 objects in a row; the last 20 count only where the limit allows.
    data = dataset(categories=(1,))
    data["annotations"] = [
        {"image_id": 10, "category_id": 1, "bbox": [x, 5 * y, 4, 4]} for x in range(0, 120, 5) for y in range(5)
    ]
    register(data)
    boxes = [[a["bbox"][0], a["bbox"][1], a["bbox"][0] + 4, a["bbox"][1] + 4] for a in data["annotations"]]
    predictions = {10: (boxes, [0] * 120, np.linspace(1, 0.5, 120).tolist())}
    # Of 120, 100 are found: recall 5/6, where 84 of the 101 recall levels lie.
    for limit, ap in ((None, 100 * 84 / 101), (120, 100.0)):
        results = run(COCOEvaluator(NAME, max_dets_per_image=limit), predictions, masks=False)
        assert results["bbox"]["AP"] == pytest.approx(ap)


def test_a_dataset_without_a_json_file_is_converted(tmp_path):
    records = [
        {
            "file_name": "x.png",
            "image_id": 1,
            "height": SIZE[0],
            "width": SIZE[1],
            "annotations": [
                {
                    "bbox": [10, 10, 30, 30],
                    "bbox_mode": BoxMode.XYXY_ABS,
                    "category_id": 1,
                    "segmentation": square(10, 10, 20),
                }
            ],
        }
    ]
    DatasetCatalog.register(NAME, lambda: records)
    MetadataCatalog.get(NAME).thing_classes = ["a", "b"]
    try:
        with pytest.raises(ValueError, match="give COCOEvaluator an output_dir"):
            COCOEvaluator(NAME)
        evaluator = COCOEvaluator(NAME, output_dir=str(tmp_path), allow_cached_coco=False)
        results = run(evaluator, {1: ([[10, 10, 30, 30]], [1], [0.9])})
        assert results["segm"]["AP-b"] == pytest.approx(100) and math.isnan(results["segm"]["AP-a"])
        assert (tmp_path / f"{NAME}_coco_format.json").exists()
    finally:
        DatasetCatalog.remove(NAME)
        MetadataCatalog.remove(NAME)


def test_test_images_without_annotations_are_only_written(register, tmp_path):
    data = dataset()
    del data["annotations"]
    register(data)
    MetadataCatalog.get(NAME).thing_dataset_id_to_contiguous_id = {3: 0, 7: 1}
    assert run(COCOEvaluator(NAME, output_dir=str(tmp_path)), RIGHT) == {}
    assert len(json.loads((tmp_path / "coco_instances_results.json").read_text())) == 2


def test_proposals_are_judged_by_recall(register):
    register()
    evaluator = COCOEvaluator(NAME)
    proposals = Instances(
        SIZE, proposal_boxes=Boxes(torch.tensor([[10.0, 10, 30, 30]])), objectness_logits=torch.tensor([0.5])
    )
    evaluator.process([{"image_id": 10}], [{"proposals": proposals}])
    results = evaluator.evaluate()
    assert results["box_proposals"]["AR@100"] == pytest.approx(100)


@pytest.mark.parametrize(
    "predictions, words",
    [
        ({10: ([[0, 0, 9, 9]], [5], [0.5])}, r"predicted class 5 on image 10.*classes \[0, 1\].*NUM_CLASSES to 2"),
        ({99: ([[0, 0, 9, 9]], [1], [0.5])}, "Image id 99 was predicted, but .*gt.json has no such image"),
    ],
)
def test_predictions_that_do_not_fit_the_dataset_are_named(register, predictions, words):
    register()
    with pytest.raises(ValueError, match=words):
        run(COCOEvaluator(NAME), predictions)


def test_classes_that_do_not_fit_the_file_are_named(register):
    path = register(load=False)
    MetadataCatalog.get(NAME).set(thing_classes=["a", "b", "c"], thing_dataset_id_to_contiguous_id={3: 0, 7: 1})
    with pytest.raises(ValueError, match=f"3 thing_classes in its metadata, but {path} has 2 categories"):
        run(COCOEvaluator(NAME), RIGHT)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"tasks": ("keypoints",)}, "keypoints"),
        ({"tasks": ("mask",)}, "'mask'"),
        ({"kpt_oks_sigmas": [0.1]}, "keypoints"),
    ],
)
def test_tasks_outside_the_scope_are_refused(register, options, words):
    register()
    with pytest.raises(ValueError, match=words):
        COCOEvaluator(NAME, **options)


def test_instances_to_json_by_hand():
    instances = make_prediction([[1, 2, 4, 7]], [3], [0.5])
    (result,) = instances_to_coco_json(instances, 42)
    assert {k: v for k, v in result.items() if k != "segmentation"} == {
        "image_id": 42,
        "category_id": 3,
        "bbox": [1.0, 2.0, 3.0, 5.0],
        "score": 0.5,
    }
    np.testing.assert_array_equal(mask_util.decode(result["segmentation"]), instances.pred_masks[0].numpy())
    instances.pred_masks = BitMasks(instances.pred_masks)
    assert instances_to_coco_json(instances, 42) == [result]
    assert json.loads(json.dumps([result])) == [result]
    assert instances_to_coco_json(make_prediction([], [], []), 42) == []


@pytest.mark.parametrize("name", ["LVISEvaluator", "SemSegEvaluator", "RotatedCOCOEvaluator"])
def test_other_evaluators_are_refused_by_a_sentence(name):
    import detectron2.evaluation

    with pytest.raises(ImportError, match="install the real Detectron2"):
        getattr(detectron2.evaluation, name)


def test_the_best_pair_leaves_first():
    # Proposal 0 suits both boxes; the first takes it at 0.9, so the second must do with 0.3.
    np.testing.assert_allclose(assign_one_to_one(np.array([[0.9, 0.8], [0.1, 0.3]])), [0.9, 0.3])
    np.testing.assert_allclose(assign_one_to_one(np.array([[0.2, 0.7, 0.1]])), [0, 0.7, 0])
    assert assign_one_to_one(np.zeros((5, 0))).shape == (0,)
    np.testing.assert_allclose(assign_one_to_one(np.zeros((0, 2))), [0, 0])


def ground_truth(boxes):
    coco = COCO()
    coco.dataset = {
        "images": [{"id": 1}],
        "categories": [{"id": 1}],
        "annotations": [
            {"id": i + 1, "image_id": 1, "category_id": 1, "bbox": box, "area": box[2] * box[3], "iscrowd": crowd}
            for i, (box, crowd) in enumerate(boxes)
        ],
    }
    coco.createIndex()
    return coco


def proposals(boxes, logits):
    return {
        "image_id": 1,
        "proposals": Instances(
            (200, 200),
            proposal_boxes=Boxes(torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)),
            objectness_logits=torch.tensor(logits),
        ),
    }


def test_recalls_by_size_and_limit():
    coco = ground_truth([([0, 0, 10, 10], 0), ([50, 50, 60, 60], 0), ([0, 0, 200, 200], 1)])
    # The small box is met exactly; the medium one by a proposal of IoU 50/60, past 7 of 10 thresholds, which
    # is the last of the hundred.
    misses = [[150.0, 150.0, 160.0, 160.0]] * 98
    found = proposals([[50.0, 50.0, 110.0, 100.0], *misses, [0.0, 0.0, 10.0, 10.0]], [-5.0] + [1.0] * 98 + [2.0])
    recalls = proposal_recalls([found], coco)
    assert recalls["ARs@100"] == pytest.approx(100) and recalls["ARm@100"] == pytest.approx(70)
    more = proposals([[150.0, 150.0, 160.0, 160.0]] * 200 + [[50.0, 50.0, 110.0, 100.0]], [1.0] * 200 + [-5.0])
    recalls = proposal_recalls([more], coco)
    assert recalls["ARm@100"] == 0 and recalls["ARm@1000"] == pytest.approx(70)
    assert recalls["AR@1000"] == pytest.approx(35)
    assert np.isnan(recalls["ARl@100"])


def test_no_proposals_recall_nothing():
    recalls = proposal_recalls([proposals([], [])], ground_truth([([0, 0, 10, 10], 0)]))
    assert recalls["AR@100"] == 0 and recalls["AR@1000"] == 0
