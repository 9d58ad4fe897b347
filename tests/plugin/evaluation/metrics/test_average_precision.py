import contextlib
import io
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as mask_util
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from maskrcnn_project.evaluation.evaluation_result import evaluate
from maskrcnn_project.evaluation.metrics.average_precision import METRICS, accumulate, average_precision
from maskrcnn_project.evaluation.metrics.matching import mask_overlaps, match_objects
from maskrcnn_project.evaluation.read_pairs import read_pairs
from maskrcnn_project.masks.coding import encode
from tests.plugin.evaluation.small_pairs import image, together, write_coco

CATEGORIES = ((2, "a"), (5, "b"), (9, "c"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("random")
        patch.setenv("MASKRCNN_CACHE", str(folder / "cache"))
        yield folder


def blob(draws, side):
    """A rectangle with a ragged edge, in an image of side x side: (run lengths, box XYWH)."""
    x, y = draws.integers(0, side - 4, size=2)
    width, height = draws.integers(2, side // 2, size=2)
    mask = np.zeros((side, side), dtype=bool)
    mask[y : y + height, x : x + width] = draws.random((side, side))[y : y + height, x : x + width] < 0.9
    mask[y, x] = True
    rle = encode(mask)
    return rle, mask_util.toBbox(rle).tolist()


def random_set(seed, images, most_objects, most_found, side=48):
    """Annotations with crowds and areas of all sizes, and results that often repeat an object; scores often equal."""
    draws = np.random.default_rng(seed)
    truth, results = [], []
    for image_id in range(images, 0, -1):
        blobs = [blob(draws, side) for _ in range(draws.integers(0, most_objects + 1))]
        for rle, box in blobs:
            truth.append(
                {
                    "id": len(truth) + 1,
                    "image_id": image_id,
                    "category_id": CATEGORIES[draws.integers(0, 2)][0],  # of the third class there is no object
                    "bbox": box,
                    "area": float(draws.choice([mask_util.area(rle), 2000, 10000])),
                    "iscrowd": int(draws.random() < 0.15),
                    "segmentation": rle,
                }
            )
        for _ in range(draws.integers(0, most_found + 1)):
            rle, box = blobs[draws.integers(len(blobs))] if blobs and draws.random() < 0.7 else blob(draws, side)
            results.append(
                {
                    "image_id": image_id,
                    "category_id": CATEGORIES[draws.integers(0, 3)][0],
                    "bbox": box,
                    "score": float(np.round(draws.random(), 2)),
                    "segmentation": rle,
                }
            )
    return truth, results


def reference(annotations, results, kind, most):
    """AP, AP50, AP75, APs, APm, APl, AR by pycocotools; -1 where there is nothing."""
    unused = "bbox" if kind == "segm" else "segmentation"
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(annotations))
        found = truth.loadRes([{key: value for key, value in row.items() if key != unused} for row in results])
        evaluator = COCOeval(truth, found, kind)
        evaluator.params.maxDets = [most]
        evaluator.evaluate()
        evaluator.accumulate()
    precision, recall = evaluator.eval["precision"][..., 0], evaluator.eval["recall"][..., 0, 0]
    parts = [precision[..., 0], precision[0, ..., 0], precision[5, ..., 0], *np.moveaxis(precision[..., 1:], -1, 0)]
    return [part[part > -1].mean() if (part > -1).any() else -1.0 for part in (*parts, recall)]


def check_like_pycocotools(folder, truth, results, images, most):
    paths = write_coco(folder, truth, results, [(number, 48, 48) for number in range(1, images + 1)], CATEGORIES)
    evaluation = evaluate(read_pairs(*paths, name="random", image_root=None, max_detections=most), 0.5)
    for kind, ours in (("bbox", evaluation.box), ("segm", evaluation.mask)):
        wanted = reference(paths[0], results, kind, most)
        assert list(ours) == list(METRICS)
        for value, other in zip(ours.values(), wanted, strict=True):
            if other < 0:
                assert math.isnan(value)
            else:
                assert value == pytest.approx(100 * other, abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), images=st.integers(1, 4), most=st.sampled_from([1, 3, 100]))
def test_equals_pycocotools_on_random_data(folder, seed, images, most):
    truth, results = random_set(seed, images, most_objects=8, most_found=20)
    if not any(not row["iscrowd"] for row in truth) or not results:
        return  # pycocotools does not take empty results; both have a test of their own
    check_like_pycocotools(folder, truth, results, images, most)


@pytest.mark.parametrize("most", [100, 130])
def test_equals_pycocotools_with_more_than_a_hundred_detections(folder, most):
    truth, results = random_set(seed=5, images=1, most_objects=300, most_found=0)
    results = [
        {**row, "score": score} for row, score in zip(truth, np.linspace(0.9, 0.1, len(truth)).tolist(), strict=True)
    ]
    assert sum(row["category_id"] == 2 for row in results) > 100
    check_like_pycocotools(folder, truth, results, 1, most)


def test_the_limit_on_detections_is_honoured():
    objects = [(0, x, y, x + 1, y + 1) for x in range(20) for y in range(15)]
    found = [(0, 0.9 - index / 1000, *row[1:]) for index, row in enumerate(objects)]
    aps = [evaluate(together(image(objects, found), max_detections=most), 0.5).mask["AP"] for most in (100, 150, 300)]
    # recall ends at 100, 150 and 300 of 300: of the 101 recalls 0, 0.01, ... 34, 51 and 101 are reached
    assert aps == pytest.approx([100 * 34 / 101, 100 * 51 / 101, 100.0])


def test_nothing_to_find_is_nan_and_nothing_found_is_zero():
    nothing = accumulate([], [], [], 2, 100)
    assert all(math.isnan(value) for value in nothing.summary().values())
    pair = image(truth=[(0, 0, 0, 4, 4)])
    summary = accumulate([pair], [np.zeros((0, 1))], [np.zeros(0)], 2, 100)
    assert summary.summary()["AP"] == summary.summary()["APs"] == summary.summary()["AR"] == 0
    assert math.isnan(summary.summary()["APl"])
    assert math.isnan(summary.of_class(1)["AP"]) and summary.of_class(0)["AP"] == 0


def test_zero_classes():
    assert math.isnan(accumulate([image()], [np.zeros((0, 0))], [np.zeros(0)], 0, 100).summary()["AP"])


@pytest.mark.parametrize(
    "right, objects, wanted, reason",
    [
        ([True, True], 2, 1.0, "all found"),
        ([True, False], 2, 51 / 101, "half found: recalls 0 to 0.50"),
        ([False, True], 1, 0.5, "the best precision is 1/2, at every recall"),
        ([], 3, 0.0, "nothing found"),
        ([True, False, True], 2, (51 + 50 * 2 / 3) / 101, "precision 1 up to recall 0.5, then 2/3"),
    ],
)
def test_average_precision_by_hand(right, objects, wanted, reason):
    scores = np.linspace(0.9, 0.5, len(right))
    assert average_precision(scores, np.array(right, dtype=bool), objects) == pytest.approx(wanted), reason


def test_average_precision_without_objects_is_nan():
    assert math.isnan(average_precision(np.array([0.9]), np.array([False]), 0))


def test_average_precision_ranks_by_score():
    assert average_precision(np.array([0.1, 0.9]), np.array([False, True]), 1) == pytest.approx(1.0)


def test_average_precision_is_cocos_ap50(folder):
    truth, results = random_set(seed=11, images=6, most_objects=8, most_found=30)
    paths = write_coco(folder, truth, results, [(number, 48, 48) for number in range(1, 7)], CATEGORIES)
    pairs = read_pairs(*paths, name="random", image_root=None, max_detections=100)
    images = [match_objects(pair, mask_overlaps(pair.truth, pair.found)) for pair in sorted(pairs.pairs, key=_image_id)]
    for number, scores in enumerate(evaluate(pairs, 0.5).classes[:2]):
        which = [result.sure(0) & (result.pair.found.classes == number) for result in images]
        ours = average_precision(
            np.concatenate([result.pair.found.scores[w] for result, w in zip(images, which, strict=True)]),
            np.concatenate([result.truth_of[w] >= 0 for result, w in zip(images, which, strict=True)]),
            scores.objects,
        )
        assert 100 * ours == pytest.approx(scores.ap50, abs=1e-9)


def _image_id(pair):
    return pair.image_id
