import pytest

from maskrcnn_project.evaluation.metrics.confusion import assign_across_classes
from maskrcnn_project.evaluation.metrics.matching import mask_overlaps, match_objects
from maskrcnn_project.evaluation.metrics.merges_and_splits import MergeOrSplit, find_merges_and_splits
from tests.plugin.evaluation.small_pairs import image

LEFT, RIGHT, WHOLE = (0, 0, 8, 10), (8, 0, 16, 10), (0, 0, 16, 10)
BIG, SMALL = (0, 0, 12, 10), (12, 0, 16, 10)


def merges_and_splits(pair):
    result = match_objects(pair, mask_overlaps(pair.truth, pair.found))
    return find_merges_and_splits(result, assign_across_classes(result, 0.5))


@pytest.mark.parametrize(
    "truth, found, merged, reason",
    [
        ([LEFT, RIGHT], [WHOLE], [((10, 11), (0,))], "one for two that touch; IoU 0.5 matches one of them"),
        ([BIG, SMALL], [WHOLE], [((10, 11), (0,))], "it counts as the larger, but takes the smaller with it"),
        ([LEFT, (8, 0, 15, 10)], [WHOLE, RIGHT], [], "the second has a detection of its own"),
        ([LEFT, RIGHT], [LEFT, RIGHT], [], "each its own"),
        ([LEFT, (10, 12, 18, 20)], [WHOLE], [], "the other object lies elsewhere"),
        ([LEFT, (8, 0, 20, 10)], [(0, 0, 13, 10)], [], "less than half of the second"),
        ([(0, 0, 5, 10), (5, 0, 10, 10), (10, 0, 15, 10)], [(0, 0, 15, 10)], [((10, 11, 12), (0,))], "three"),
    ],
)
def test_merged(truth, found, merged, reason):
    scores = [0.9, 0.8, 0.7]
    pair = image([(0, *box) for box in truth], [(0, s, *box) for s, box in zip(scores, found, strict=False)])
    assert merges_and_splits(pair) == [MergeOrSplit("merged", 1, *rest) for rest in merged], reason


@pytest.mark.parametrize(
    "truth, found, split, reason",
    [
        ([WHOLE], [(0, 0, 7, 10), (9, 0, 16, 10)], [((10,), (0, 1))], "two halves"),
        ([WHOLE], [(0, 0, 10, 10), (11, 0, 16, 10)], [], "the first alone matches"),
        ([WHOLE], [(0, 0, 7, 10)], [], "one piece"),
        ([WHOLE], [(0, 0, 7, 10), (0, 1, 7, 10)], [], "the same piece twice"),
        ([WHOLE], [(0, 0, 3, 10), (4, 0, 7, 10)], [], "together less than half"),
        ([WHOLE], [(0, 0, 7, 10), (14, 0, 20, 20)], [], "the second lies mostly outside"),
        ([WHOLE], [(0, 0, 5, 10), (5, 0, 10, 10), (10, 0, 16, 10)], [((10,), (0, 1, 2))], "three"),
    ],
)
def test_split(truth, found, split, reason):
    scores = [0.9, 0.8, 0.7]
    pair = image([(0, *box) for box in truth], [(0, s, *box) for s, box in zip(scores, found, strict=False)])
    assert merges_and_splits(pair) == [MergeOrSplit("split", 1, *rest) for rest in split], reason


def test_pieces_of_an_object_found_in_parts_name_the_detections_as_in_the_case():
    found = [(0, 0.9, 0, 12, 8, 20), (0, 0.8, 0, 0, 7, 10), (0, 0.7, 9, 0, 16, 10), (0, 0.2, 0, 0, 16, 10)]
    pair = image([(0, 0, 12, 8, 20), (0, *WHOLE)], found)
    assert merges_and_splits(pair) == [MergeOrSplit("split", 1, (11,), (1, 2))]


def test_another_class_is_another_error():
    assert (
        merges_and_splits(image([(0, *WHOLE)], [(1, 0.9, *WHOLE), (0, 0.8, 0, 0, 7, 10), (0, 0.7, 9, 0, 16, 10)])) == []
    )


def test_crowds_merge_nothing():
    assert merges_and_splits(image([(0, *LEFT), (0, *RIGHT)], [(1, 0.9, *WHOLE)], crowd=[0])) == []


@pytest.mark.parametrize("masks", [True, False])
def test_nothing_there_nothing_found_and_boxes_only(masks):
    assert merges_and_splits(image(masks=masks)) == []
    assert merges_and_splits(image([(0, *LEFT), (0, *RIGHT)], masks=masks)) == []
    assert merges_and_splits(image(found=[(0, 0.9, *WHOLE)], masks=masks)) == []
    assert merges_and_splits(image([(0, *LEFT), (0, *RIGHT)], [(0, 0.9, *WHOLE)], masks=False)) == []
