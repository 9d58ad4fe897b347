import math
from dataclasses import replace

import pytest

from maskrcnn_project.evaluation.compare import compare
from maskrcnn_project.evaluation.evaluation_result import NamedResult, evaluate
from maskrcnn_project.evaluation.metrics import class_matches
from maskrcnn_project.evaluation.report.compare_page import comparison_page, conclusion
from tests.plugin.evaluation.small_pairs import image, together

TRUTH = [(0, 0, 0, 8, 8), (1, 10, 10, 18, 18)]
GOOD = [(0, 0.9, 0, 0, 8, 8), (1, 0.8, 10, 10, 18, 18)]
POOR = [(0, 0.9, 0, 0, 8, 5)]  # IoU 5/8: right at 0.50, 0.55 and 0.60
IMAGES = 12


def model(name, *found, **changes):
    """Image i is given what ``found`` has at i, in turn."""
    images = [image(TRUTH, found[number % len(found)], image_id=number + 1) for number in range(IMAGES)]
    pairs = replace(together(*images), **changes)
    return NamedResult(name, pairs, evaluate(pairs, 0.5))


@pytest.fixture(autouse=True)
def fewer_draws(monkeypatch):
    monkeypatch.setattr(compare, "__kwdefaults__", {"resamples": 200, "seed": 0})


def test_the_same_results_do_not_differ_in_any_draw():
    result = compare(model("a", GOOD, POOR), model("b", GOOD, POOR))
    for difference in [*result.measures.values(), *(each for _, each in result.classes)]:
        assert (difference.low, difference.change, difference.high) == (0, 0, 0)
        assert not difference.is_real
    assert all(each.change == 0 for each in result.images)
    assert conclusion("mask AP", result.measures["mask AP"]).startswith("A and B have the same mask AP")


def test_a_clear_difference_is_real():
    result = compare(model("a", POOR), model("b", GOOD))
    ap = result.measures["mask AP"]
    # every image is alike, and so is every draw: 3 of 10 IoUs of one class of two
    assert (ap.a, ap.b, ap.low, ap.high) == pytest.approx((15, 100, 85, 85))
    assert ap.is_real
    assert dict(result.classes)["dirt"].change == pytest.approx(100)
    assert conclusion("mask AP", ap).startswith("B is better than A by 85.0 points of mask AP, and that is real")
    # F1 2/3 of 1 right of 2, with IoU 5/8; all right, with IoU 1
    assert {(round(each.a, 9), each.b) for each in result.images} == {(round(5 / 12, 9), 1)}


def test_what_hangs_on_one_image_may_be_chance():
    better_in_one = [GOOD] * (IMAGES - 1)
    result = compare(model("a", *better_in_one, POOR), model("b", *better_in_one, GOOD))
    ap = result.measures["mask AP"]
    assert ap.change > 0 and ap.low == 0 < ap.high  # 36 of 100 draws of 12 lack the image
    assert not ap.is_real
    assert "may be chance" in conclusion("mask AP", ap)
    assert result.images[0].image_id == IMAGES and result.images[1].change == 0


def test_the_draws_are_those_of_the_seed():
    a, b = model("a", POOR, GOOD, POOR), model("b", GOOD, POOR, [])
    first, again, other = (compare(a, b, resamples=50, seed=seed) for seed in (1, 1, 2))
    assert first.measures == again.measures and first.classes == again.classes
    assert first.measures != other.measures
    assert first.measures["mask AP"].a == other.measures["mask AP"].a


def test_turned_round_the_interval_turns_its_sign():
    a, b = model("a", POOR, GOOD, []), model("b", GOOD)
    there, back = compare(a, b).measures["mask AP"], compare(b, a).measures["mask AP"]
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))


def test_without_masks_boxes_are_compared():
    pairs = together(image(TRUTH, GOOD, masks=False))
    boxes = NamedResult("boxes", pairs, evaluate(pairs, 0.5))
    result = compare(boxes, boxes)
    assert list(result.measures) == ["box AP", "box AP50", "box AP75"]
    assert result.measures["box AP"].a == pytest.approx(100)


def test_without_objects_there_is_nothing_to_measure():
    pairs = together(image([], GOOD))
    empty = NamedResult("empty", pairs, evaluate(pairs, 0.5))
    ap = next(iter(compare(empty, empty).measures.values()))
    assert math.isnan(ap.a) and math.isnan(ap.low) and not ap.is_real
    assert conclusion("mask AP", ap) == "There are no objects to measure mask AP by."
    assert "nothing to measure" in comparison_page(compare(empty, empty), empty, empty)


def other_truth(**changes):
    images = [image(TRUTH, GOOD, image_id=number + 1) for number in range(IMAGES)]
    for number, pair in changes.get("cases", {}).items():
        images[number] = pair
    pairs = together(*images, names=changes.get("names", ("cell", "dirt")))
    return NamedResult("b", pairs, evaluate(pairs, 0.5))


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"names": ("cell", "dust")}, "the classes are 2 (cell, dirt) and 2 (cell, dust)"),
        ({"cases": {3: image(TRUTH[:1], GOOD, image_id=4)}}, "the objects of image 4 (4.png) differ"),
        ({"cases": {3: image([(1, 0, 0, 8, 8), TRUTH[1]], GOOD, image_id=4)}}, "the objects of image 4 (4.png) differ"),
        ({"cases": {3: image(TRUTH, GOOD, image_id=99)}}, "image 4 is among those of a only"),
    ],
)
def test_different_ground_truth_is_refused(other, said):
    with pytest.raises(ValueError, match="a and b were not evaluated on the same ground truth: ") as error:
        compare(model("a", GOOD), other_truth(**other))
    assert said in str(error.value)
    assert str(error.value).endswith("compare runs that were evaluated on the same annotation file.")


def test_the_page_says_who_is_better_and_shows_where():
    a, b = model("<first>", POOR), model("second", GOOD)
    html = comparison_page(compare(a, b), a, b)
    assert "&lt;first&gt; or second?" in html and "<first>" not in html
    assert "B is better than A by 85.0 points of mask AP" in html
    assert "B is better in 12 images, A in 0, and 0 are alike" in html
    assert "Pictures need the images: their folder was not given." in html
    assert "nan" not in html.lower().replace("nothing", "")


def test_a_difference_in_what_counts_is_said():
    a, b = model("a", GOOD), model("b", GOOD, max_detections=200)
    assert "100 detections of an image count for A, 200 for B" in comparison_page(compare(a, b), a, b)


def test_draws_done_in_parts_are_the_same(monkeypatch):
    a, b = model("a", POOR, GOOD, []), model("b", GOOD, POOR)
    whole = compare(a, b, resamples=20).measures
    monkeypatch.setattr(class_matches, "MAX_CELLS", 1)
    assert compare(a, b, resamples=20).measures == whole
