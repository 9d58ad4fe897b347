import math
from dataclasses import replace

import numpy as np
import pytest

from maskrcnn_project.evaluation.compare import (
    MEASURES,
    MIN_IMAGES,
    changes_of,
    compare,
    differences_of,
    draw,
    expanded_share,
    mean_changes,
    shared_p_values,
)
from maskrcnn_project.evaluation.evaluation_result import NamedResult, evaluate
from maskrcnn_project.evaluation.metrics import class_matches
from maskrcnn_project.evaluation.metrics.class_matches import IOUS, ClassMatches
from maskrcnn_project.evaluation.report.compare_page import comparison_page, conclusion
from tests.plugin.evaluation.small_pairs import image, together

TRUTH = [(0, 0, 0, 8, 8), (1, 10, 10, 18, 18)]
GOOD = [(0, 0.9, 0, 0, 8, 8), (1, 0.8, 10, 10, 18, 18)]
POOR = [(0, 0.9, 0, 0, 8, 5)]  # IoU 5/8: right at 0.50, 0.55 and 0.60
IMAGES = 12


def model(name, *found, images=IMAGES, **changes):
    """Image i is given what ``found`` has at i, in turn."""
    cases = [image(TRUTH, found[number % len(found)], image_id=number + 1) for number in range(images)]
    pairs = replace(together(*cases), **changes)
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


def test_the_same_difference_in_a_few_images_may_be_chance():
    """
    4 of 48 images, all in favour of B: one of 8 pairs of equal models falls so. Of the draws 98 % hold one of the four
    and leave out zero, so that the percentiles alone would call it real.
    """
    of_a, of_b = ([GOOD] * 44 + [found] * 4 for found in (POOR, GOOD))
    ap = compare(model("a", *of_a, images=48), model("b", *of_b, images=48)).measures["mask AP"]
    assert ap.change > 0 and 0.05 < ap.p < 0.25
    assert not ap.is_real and ap.low == 0 < ap.high


@pytest.mark.parametrize("images", [1, 2, 7, MIN_IMAGES - 1])
def test_few_images_cannot_tell_however_large_the_difference(images):
    a, b = model("a", [], images=images), model("b", GOOD, images=images)
    result = compare(a, b)
    for difference in [*result.measures.values(), *(each for _, each in result.classes)]:
        assert difference.change == pytest.approx(100)
        assert not difference.is_real and difference.low <= 0
    said = "1 image is" if images == 1 else f"{images} images are"
    sentence = f"{said} too few to tell which is better, however large the difference: it takes at least {MIN_IMAGES}."
    assert conclusion("mask AP", result.measures["mask AP"]).endswith(sentence)
    html = comparison_page(result, a, b)
    assert "too few images" in html and "and that is real" not in html and "B is better than A" not in html


def test_the_smallest_number_of_images_that_can_tell():
    assert compare(model("a", [], images=MIN_IMAGES), model("b", GOOD, images=MIN_IMAGES)).measures["mask AP"].is_real


# of 12 images: t of 11 degrees of freedom is 2.201, times sqrt(12 / 11) 2.299
@pytest.mark.parametrize(("count", "share"), [(12, 0.0108), (48, 0.0210), (200, 0.0241), (10**6, 0.025)])
def test_what_the_interval_leaves_out_at_each_end(count, share):
    assert expanded_share(count) == pytest.approx(share, abs=1e-4)


def test_p_of_several_measures_by_hand():
    """Four exchanges. By itself the first is as large as 1 of 5, the second as 3 of 5."""
    exchanged = np.array([[1.0, 9.0], [2.0, 1.0], [-1.0, 0.0], [0.0, -5.0]])
    assert shared_p_values(np.array([4.0]), exchanged[:, :1]) == pytest.approx([1 / 5])
    assert shared_p_values(np.array([3.0]), exchanged[:, 1:]) == pytest.approx([3 / 5])
    # together: the first exchange stands out as far in the second measure, the others do less
    assert shared_p_values(np.array([4.0, 3.0]), exchanged) == pytest.approx([2 / 5, 4 / 5])
    assert shared_p_values(np.array([4.0, np.nan]), exchanged) == pytest.approx([1 / 5, 1])


def test_too_few_resamples_are_refused():
    with pytest.raises(ValueError, match="needs 19 resamples or more .* was given 18: 1,000 are usual"):
        compare(model("a", GOOD), model("b", GOOD), resamples=18)


def equal_models(random, images, differing):
    """
    The matches of two models of equal quality in images some of which are hard for both: each finds its objects with
    the chance that the image gives, at an IoU of 0.5 to 1, and invents one of its own now and then.

    Args:
        differing: share of the images in which they differ at all; in the others B finds what A finds.
    """
    objects = random.poisson(2, images) + (random.random(images) < 0.8)
    ease = random.beta(4, 1, images)
    columns = []
    for _ in range(2):
        found, invented = random.binomial(objects, ease), random.binomial(2, 0.3, images)
        places = np.repeat(np.tile(np.arange(images), 2), np.concatenate([found, invented]))
        scores = np.concatenate([random.beta(5, 2, found.sum()), random.beta(2, 3, invented.sum())])
        ious = np.concatenate([0.5 + 0.5 * random.beta(3, 1.5, found.sum()), np.zeros(invented.sum())])
        columns.append(np.stack([places, scores, ious]))
    a, other = columns
    differs = random.random(images) < differing
    b = np.concatenate([other[:, differs[other[0].astype(int)]], a[:, ~differs[a[0].astype(int)]]], axis=1)
    places, scores, ious = np.concatenate([a, b + [[images], [0], [0]]], axis=1)
    order = np.argsort(-scores, kind="stable")
    right = ious[order] >= IOUS[:, None]  # (T, N)
    both = np.concatenate([objects, objects])
    return ClassMatches(places[order].astype(int), right, np.zeros_like(right), both)


def called_different(images, differing, trials, resamples):
    """Of ``trials`` comparisons of equal models, in how many any of three measures is called real."""
    random = np.random.default_rng(images)
    number = 0
    for trial in range(trials):
        changes = changes_of(equal_models(random, images, differing), draw(images, resamples, trial))
        number += any(
            each.is_real
            for each in differences_of([mean_changes([changes], which) for which in MEASURES.values()], images)
        )
    return number


def most_by_chance(trials, share=0.05, doubt=0.001):
    """The largest number of hits that a chance of ``share`` at each of ``trials`` exceeds less often than ``doubt``."""
    left = 1.0
    for hits in range(trials + 1):
        left -= math.comb(trials, hits) * share**hits * (1 - share) ** (trials - hits)
        if left < doubt:
            return hits
    return trials


@pytest.mark.parametrize(
    ("images", "differing", "trials"), [(7, 1, 20), (16, 1, 150), (48, 1, 150), (48, 0.1, 150), (200, 1, 60)]
)
def test_equal_models_are_called_different_in_5_percent_at_most(images, differing, trials):
    number = called_different(images, differing, trials, resamples=59)
    assert number <= (0 if images < MIN_IMAGES else most_by_chance(trials))


@pytest.mark.slow
@pytest.mark.parametrize("differing", [1, 0.1])
@pytest.mark.parametrize("images", [7, 16, 48, 200])
def test_equal_models_are_called_different_in_5_percent_of_1000_trials_at_most(images, differing):
    number = called_different(images, differing, 1000, resamples=199)
    print(f"{images} images, {differing:.0%} of them with a difference: {number} of 1000")
    assert number <= (0 if images < MIN_IMAGES else most_by_chance(1000))


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
