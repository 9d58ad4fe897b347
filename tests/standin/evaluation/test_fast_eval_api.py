"""
The two libraries behind the COCO metric agree, and the metric is what the definition says on scenes made by hand.

Rectangles keep the sums short: two boxes of width 10 shifted by 2 have IoU 8/12.
"""

import copy
import json

import numpy as np
import pytest
import torch
from detectron2.evaluation.fast_eval_api import (
    COCOevalMaxDets,
    complete_annotations,
    detection_limits,
    encode_masks,
    evaluate_detections,
    load_ground_truth,
    summarize_detections,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as mask_util
from pycocotools.coco import COCO

SQUARE = [[10, 10, 20, 10, 20, 20, 10, 20]]  # 10x10 pixels


def dataset(*annotations):
    return {
        "images": [{"id": 5, "height": 50, "width": 60}],
        "categories": [{"id": 1, "name": "thing"}],
        "annotations": [{"image_id": 5, "category_id": 1, **a} for a in annotations],
    }


@pytest.mark.parametrize(
    "given, bbox, area, reason",
    [
        ({"bbox": [1, 2, 3, 4]}, [1, 2, 3, 4], 12, "no mask: the box's area"),
        ({"bbox": [1, 2, 3, 4], "area": 7}, [1, 2, 3, 4], 7, "what is there stays"),
        ({"segmentation": SQUARE}, [10, 10, 10, 10], 100, "both from the polygon"),
        ({"segmentation": {"size": [50, 60], "counts": [0, 2, 2998]}}, [0, 0, 1, 2], 2, "uncompressed RLE"),
        ({"bbox": [1, 2, 3, 4], "segmentation": SQUARE}, [1, 2, 3, 4], 100, "the mask's area before the box's"),
        ({"bbox": [1, 2, 3, 4], "segmentation": [[1, 1, 2, 2]]}, [1, 2, 3, 4], 12, "two points enclose nothing"),
    ],
)
def test_missing_keys_are_filled_in(given, bbox, area, reason):
    data = dataset(given)
    complete_annotations(data, "gt.json")
    (annotation,) = data["annotations"]
    assert annotation["bbox"] == bbox and annotation["area"] == area, reason
    assert annotation["iscrowd"] == 0 and annotation["id"] == 1


@pytest.mark.parametrize("ids, result", [([7, 9], [7, 9]), ([0, 1], [1, 2]), ([3, 3], [1, 2]), (["a", "b"], [1, 2])])
def test_ids_that_the_metric_cannot_use_are_numbered_anew(ids, result, caplog):
    data = dataset(*({"bbox": [0, 0, 1, 1], "id": i} for i in ids))
    complete_annotations(data, "gt.json")
    assert [a["id"] for a in data["annotations"]] == result
    assert ("gt.json" in caplog.text) == (ids != result)


@pytest.mark.parametrize(
    "broken, words",
    [
        ({"id": 4}, "annotation 4 of gt.json has neither"),
        ({"id": 4, "bbox": [0, 0, 1, 1], "category_id": None}, None),
    ],
)
def test_what_cannot_be_filled_in_is_named(broken, words):
    data = dataset(broken)
    if words is None:
        del data["annotations"][0]["category_id"]
        words = "needs an 'category_id', but annotation 4 of gt.json"
    with pytest.raises(ValueError, match=words):
        complete_annotations(data, "gt.json")


def test_a_file_of_another_kind_is_named(tmp_path):
    path = tmp_path / "results.json"
    path.write_text(json.dumps([{"image_id": 1}]))
    with pytest.raises(ValueError, match="results.json should be a COCO annotation file.*but holds list"):
        load_ground_truth(str(path))


def test_a_file_is_indexed_in_silence(tmp_path, capsys):
    path = tmp_path / "gt.json"
    path.write_text(json.dumps(dataset({"segmentation": SQUARE})))
    coco = load_ground_truth(str(path))
    assert [a["area"] for a in coco.imgToAnns[5]] == [100]
    assert capsys.readouterr().out == ""


SIDE = 200


def rle(box):
    x, y, width, height = (int(v) for v in box)
    mask = np.zeros((SIDE, SIDE), np.uint8, order="F")
    mask[y : y + height, x : x + width] = 1
    code = mask_util.encode(mask)
    return {"size": [SIDE, SIDE], "counts": code["counts"].decode()}


def ground_truth(annotations, images=3, categories=2):
    dataset = {
        "info": {},
        "images": [{"id": i + 1, "height": SIDE, "width": SIDE} for i in range(images)],
        "categories": [{"id": c + 1, "name": f"c{c}"} for c in range(categories)],
        "annotations": annotations,
    }
    complete_annotations(dataset, "gt.json")
    coco = COCO()
    coco.dataset = dataset
    coco.createIndex()
    return coco


def annotation(box, image_id=1, category_id=1, **more):
    return {"image_id": image_id, "category_id": category_id, "bbox": list(box), "segmentation": rle(box), **more}


def detection(box, score, image_id=1, category_id=1):
    return {**annotation(box, image_id, category_id), "score": score}


def polygon(box):
    x, y, width, height = box
    return [[x, y, x + width, y, x + width, y + height, x, y + height]]


def encode_uncompressed(box):
    x, y, width, height = (int(v) for v in box)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[y : y + height, x : x + width] = 1
    flat = np.concatenate([[0], mask.T.ravel(), [0]])
    counts = np.diff(np.flatnonzero(np.diff(flat)), prepend=0, append=SIDE * SIDE)
    return {"size": [SIDE, SIDE], "counts": counts.tolist()}


boxes = st.tuples(
    st.integers(0, SIDE // 2), st.integers(0, SIDE // 2), st.integers(1, SIDE // 2), st.integers(1, SIDE // 2)
)
annotations = st.builds(
    lambda box, image, category, crowd, form: {
        **annotation(box, image, category, iscrowd=crowd),
        "segmentation": form(box),
    },
    boxes,
    st.integers(1, 3),
    st.integers(1, 2),
    st.sampled_from([0, 0, 0, 1]),
    st.sampled_from([rle, polygon, encode_uncompressed]),
)
# Few different scores, so that ties within and across images are common.
detections = st.builds(
    lambda box, nudge, score, image, category: detection(
        (box[0] + nudge, box[1], box[2], box[3]), score / 8, image, category
    ),
    boxes,
    st.integers(0, 3),
    st.integers(1, 8),
    st.integers(1, 3),
    st.integers(1, 2),
)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    truth=st.lists(annotations, min_size=0, max_size=12),
    found=st.lists(detections, min_size=1, max_size=25),
    hits=st.integers(0, 12),
    limit=st.sampled_from([None, 100, 300, 3]),
    iou_type=st.sampled_from(["bbox", "segm"]),
    images=st.sampled_from([None, [1], [3, 1]]),
)
def test_both_libraries_give_the_same_numbers(truth, found, hits, limit, iou_type, images):
    # Some detections sit on ground truth, or no match would ever be found.
    found = found + [
        detection(t["bbox"], (i % 5 + 1) / 8, t["image_id"], t["category_id"]) for i, t in enumerate(truth[:hits])
    ]
    results = {}
    for fast in (True, False):
        results[fast] = evaluate_detections(
            ground_truth(copy.deepcopy(truth)),
            found,
            iou_type,
            max_dets=detection_limits(limit),
            img_ids=images,
            fast=fast,
        )
    np.testing.assert_allclose(results[True].stats, results[False].stats, rtol=0, atol=1e-9)
    for kind in ("precision", "recall"):
        np.testing.assert_allclose(results[True].eval[kind], results[False].eval[kind], rtol=0, atol=1e-9)


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
@pytest.mark.parametrize("limit", [100, 300])
def test_both_libraries_agree_on_images_with_more_detections_than_count(iou_type, limit):
    rng = np.random.default_rng(limit)

    def spots(n):
        return [(*rng.integers(0, 180, 2).tolist(), *rng.integers(4, 20, 2).tolist()) for _ in range(n)]

    truth = [annotation(box, i % 2 + 1, i % 3 % 2 + 1, iscrowd=int(i % 17 == 0)) for i, box in enumerate(spots(120))]
    found = [detection(box, round(rng.uniform(), 2), i % 2 + 1, i % 2 + 1) for i, box in enumerate(spots(700))]
    found += [detection(t["bbox"], round(rng.uniform(), 2), t["image_id"], t["category_id"]) for t in truth]
    stats = [
        evaluate_detections(
            ground_truth(copy.deepcopy(truth)), found, iou_type, max_dets=detection_limits(limit), fast=fast
        ).stats
        for fast in (True, False)
    ]
    np.testing.assert_allclose(stats[0], stats[1], rtol=0, atol=1e-9)


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize(
    "found, ap, ap50, ap75, reason",
    [
        ([((10, 10, 10, 10), 0.9)], 1.0, 1.0, 1.0, "exact"),
        ([((12, 10, 10, 10), 0.9)], 0.4, 1.0, 0.0, "IoU 80/120 passes the thresholds 0.50 to 0.65, four of ten"),
        ([((100, 100, 10, 10), 0.9)], 0.0, 0.0, 0.0, "nowhere near"),
        ([((10, 10, 10, 10), 0.9), ((10, 10, 10, 10), 0.8)], 1.0, 1.0, 1.0, "a double after the hit costs nothing"),
        (
            [((50, 50, 9, 9), 0.9), ((10, 10, 10, 10), 0.8)],
            0.5,
            0.5,
            0.5,
            "a false alarm before the hit: precision 1/2",
        ),
    ],
)
def test_average_precision_of_one_object(fast, found, ap, ap50, ap75, reason):
    coco = ground_truth([annotation((10, 10, 10, 10))], images=1, categories=1)
    results = [detection(box, score) for box, score in found]
    for iou_type in ("bbox", "segm"):
        stats = evaluate_detections(coco, results, iou_type, fast=fast).stats
        assert stats[:3] == pytest.approx([ap, ap50, ap75], abs=1e-9), reason


@pytest.mark.parametrize("fast", [True, False])
def test_detections_inside_a_crowd_count_neither_way(fast):
    crowd = annotation((50, 50, 100, 100), iscrowd=1)
    coco = ground_truth([annotation((10, 10, 10, 10)), crowd], images=1)
    found = [detection((10, 10, 10, 10), 0.5)] + [detection((60 + i, 60, 9, 9), 0.9) for i in range(5)]
    assert evaluate_detections(coco, found, "bbox", fast=fast).stats[0] == pytest.approx(1.0)


@pytest.mark.parametrize("fast", [True, False])
def test_sizes_are_those_of_the_mask_for_segm_and_of_the_box_for_bbox(fast):
    # A frame of one pixel's width, 40x40: its box is medium (1600 > 32**2), its 156 pixels are small.
    mask = np.zeros((SIDE, SIDE), np.uint8, order="F")
    mask[10:50, 10:50] = 1
    mask[11:49, 11:49] = 0
    code = mask_util.encode(mask)
    segmentation = {"size": [SIDE, SIDE], "counts": code["counts"].decode()}
    truth = {"image_id": 1, "category_id": 1, "bbox": [10, 10, 40, 40], "segmentation": segmentation, "area": 156}
    stats = evaluate_detections(ground_truth([truth]), [{**truth, "score": 0.9}], "segm", fast=fast).stats
    assert stats[3] == pytest.approx(1.0) and stats[4] == -1
    truth["area"] = 1600
    stats = evaluate_detections(ground_truth([truth]), [{**truth, "score": 0.9}], "bbox", fast=fast).stats
    assert stats[3] == -1 and stats[4] == pytest.approx(1.0)


@pytest.mark.parametrize("fast", [True, False])
def test_ap_counts_as_many_detections_as_the_last_limit(fast):
    # 150 objects, all found: of 100 counted, recall stops at 2/3, where 67 of COCO's 101 recall levels lie.
    spots = [(13 * (i % 15), 20 * (i // 15), 10, 10) for i in range(150)]
    coco = ground_truth([annotation(box) for box in spots], images=1, categories=1)
    found = [detection(box, 0.9 - i / 1000) for i, box in enumerate(spots)]
    for limit, ap in ((None, 67 / 101), (100, 67 / 101), (150, 1.0), (300, 1.0), (5, 4 / 101)):
        stats = evaluate_detections(coco, found, "bbox", max_dets=detection_limits(limit), fast=fast).stats
        assert stats[0] == pytest.approx(ap, abs=1e-9), limit


@pytest.mark.parametrize(
    "asked, limits", [(None, [1, 10, 100]), (100, [1, 10, 100]), (300, [1, 10, 300]), (5, [1, 5, 5])]
)
def test_limits_on_detections(asked, limits):
    assert detection_limits(asked) == limits


def test_the_inputs_are_left_as_they_were():
    truth, found = [annotation((10, 10, 10, 10))], [detection((10, 10, 10, 10), 0.9)]
    before = copy.deepcopy(found)
    coco = ground_truth(truth)
    annotations_before = copy.deepcopy(coco.dataset["annotations"])
    evaluate_detections(coco, found, "segm")
    assert found == before
    assert coco.dataset["annotations"] == annotations_before


def test_image_ids_that_are_no_integers_are_evaluated_too():
    coco = ground_truth([annotation((10, 10, 10, 10), "a")])
    coco.dataset["images"] = [{"id": "a", "height": SIDE, "width": SIDE}]
    coco.createIndex()
    assert evaluate_detections(coco, [detection((10, 10, 10, 10), 0.9, "a")], "bbox").stats[0] == pytest.approx(1.0)


def test_objects_without_a_mask_are_left_out_of_segm_with_a_warning(caplog):
    boxed = {"image_id": 1, "category_id": 1, "bbox": [50, 50, 10, 10]}
    coco = ground_truth([annotation((10, 10, 10, 10)), boxed])
    found = [detection((10, 10, 10, 10), 0.9)]
    assert evaluate_detections(coco, found, "segm").stats[0] == pytest.approx(1.0)
    assert "1 annotations have no mask" in caplog.text
    # Of two boxes one is found: recall ends at 1/2, where 51 of the 101 recall levels lie.
    assert evaluate_detections(coco, found, "bbox").stats[0] == pytest.approx(51 / 101)


def test_summarize_of_the_class_prints_and_keeps_the_twelve_numbers(capsys):
    coco = ground_truth([annotation((10, 10, 10, 10))], images=1, categories=1)
    results = coco.loadRes([{k: v for k, v in detection((10, 10, 10, 10), 0.9).items() if k != "segmentation"}])
    evaluator = COCOevalMaxDets(coco, results, "bbox")
    with pytest.raises(RuntimeError, match="call evaluate"):
        evaluator.summarize()
    evaluator.params.maxDets = [1, 10, 300]
    evaluator.evaluate()
    evaluator.accumulate()
    evaluator.summarize()
    assert evaluator.stats.shape == (12,) and evaluator.stats[0] == pytest.approx(1.0)
    printed = capsys.readouterr().out
    assert "Average Precision (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=300 ] = 1.000" in printed


def test_summary_takes_the_mean_over_what_is_known():
    class Params:
        iouThrs = np.array([0.5, 0.75])
        areaRngLbl = ["all", "small", "medium", "large"]
        maxDets = [1, 10, 100]

    precision = np.full((2, 1, 2, 4, 3), -1.0)  # (T, R, K, A, M); the second category has no ground truth
    precision[:, 0, 0, 0, 2] = [0.8, 0.4]
    recall = np.full((2, 2, 4, 3), -1.0)
    recall[:, 0, 0, :] = [[0.1, 0.2, 0.6], [0.1, 0.2, 0.4]]
    stats = summarize_detections({"precision": precision, "recall": recall}, Params)
    assert stats == pytest.approx([0.6, 0.8, 0.4, -1, -1, -1, 0.1, 0.2, 0.5, -1, -1, -1])


masks = st.tuples(st.integers(0, 3), st.integers(1, 9), st.integers(1, 9)).flatmap(
    lambda shape: arrays(np.bool_, shape, elements=st.sampled_from([False, False, True]))
)


@settings(max_examples=200, deadline=None)
@given(masks)
def test_equal_to_pycocotools(bits):
    encoded = encode_masks(torch.from_numpy(bits))
    for mask, code in zip(bits, encoded, strict=True):
        want = mask_util.encode(np.asfortranarray(mask, dtype=np.uint8))
        assert code == {"size": list(mask.shape), "counts": want["counts"].decode()}
        np.testing.assert_array_equal(mask_util.decode(code), mask)


@pytest.mark.parametrize("fill", [0, 1])
def test_all_or_nothing(fill):
    (code,) = encode_masks(torch.full((1, 3, 4), fill, dtype=torch.bool))
    assert mask_util.area(code) == 12 * fill


def test_values_other_than_one_count_as_one():
    (code,) = encode_masks(np.array([[[0, 255], [7, 0]]], np.uint8))
    np.testing.assert_array_equal(mask_util.decode(code), [[0, 1], [1, 0]])
    (code,) = encode_masks(torch.tensor([[[0.0, 1.0]]]))
    np.testing.assert_array_equal(mask_util.decode(code), [[0, 1]])


def test_no_masks():
    assert encode_masks(torch.zeros(0, 5, 6, dtype=torch.bool)) == []
    with pytest.raises(ValueError, match=r"\(N, H, W\), but got \(5, 6\)"):
        encode_masks(torch.zeros(5, 6))
