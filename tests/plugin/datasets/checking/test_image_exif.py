"""With which orientation annotations agree, on a picture stored as 40 x 60 (height x width)."""

import pytest

from maskrcnn_project.datasets.checking.image_exif import (
    STORED,
    UNKNOWN,
    UPRIGHT,
    annotated_orientation,
    fits_into,
    turn_of,
)
from maskrcnn_project.datasets.checking.image_reading import DecodedImage

WIDE, HIGH = [50, 10, 8, 8], [10, 50, 8, 8]  # boxes [x, y, width, height] that fit only one of 40x60 and 60x40
SMALL = [10, 10, 8, 8]


def boxes(*rows):
    return [{"bbox": row} for row in rows]


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
@pytest.mark.parametrize(
    ("size", "annotations", "agreed", "words"),
    [
        ((40, 60), [], STORED, "the JSON has the size of the stored picture, 40x60"),
        ((60, 40), [], UPRIGHT, "the JSON has the size of the upright picture, 60x40"),
        ((40, 60), boxes(SMALL), STORED, "the JSON has the size of the stored picture"),
        ((40, 60), boxes(SMALL, WIDE), STORED, "1 of 2 do not fit into the upright picture"),
        ((60, 40), boxes(HIGH), UPRIGHT, "1 of 1 do not fit into the stored picture"),
        # the size was read by a program that turns pictures, the annotations were not
        ((60, 40), boxes(WIDE), STORED, "do not fit into the upright picture, though the JSON has its size"),
        ((40, 60), boxes(HIGH), UPRIGHT, "do not fit into the stored picture, though the JSON has its size"),
        ((40, 60), boxes(HIGH, WIDE), STORED, "the JSON has the size of the stored"),  # the annotations say both
        ((10, 10), boxes(SMALL), UNKNOWN, "the size in the JSON, 10x10 (height x width), is that of neither"),
        ((10, 10), boxes(WIDE), STORED, "1 of 1 do not fit into the upright picture"),
    ],
)
def test_pictures_whose_sides_are_exchanged(orientation, size, annotations, agreed, words):
    picture = DecodedImage(stored=(40, 60), orientation=orientation)
    image = {"height": size[0], "width": size[1]}
    came, why = annotated_orientation(picture, image, annotations)
    assert came == agreed and words in why


@pytest.mark.parametrize(("orientation", "stored"), [(2, (40, 60)), (3, (40, 60)), (4, (40, 60)), (6, (50, 50))])
def test_where_both_have_one_size_nothing_can_be_told(orientation, stored):
    picture = DecodedImage(stored=stored, orientation=orientation)
    came, why = annotated_orientation(picture, {"height": stored[0], "width": stored[1]}, boxes(SMALL))
    assert came == UNKNOWN and "fit both ways" in why


@pytest.mark.parametrize(
    ("annotation", "fits"),
    [
        ({"bbox": [0, 0, 60, 40]}, True),
        ({"bbox": [0.4, 0, 60, 40]}, True),  # rounded
        ({"bbox": [1, 0, 60, 40]}, False),
        ({"bbox": [0, 0, 9, 9], "segmentation": [[0, 0, 60, 0, 60, 40]]}, True),
        ({"bbox": [0, 0, 9, 9], "segmentation": [[0, 0, 60, 0, 60, 44]]}, False),
        ({"segmentation": {"size": [40, 60], "counts": [2400]}}, True),
        ({"segmentation": {"size": [60, 40], "counts": [2400]}}, False),
        ({"bbox": "none", "segmentation": [["x"]]}, True),  # other rules speak of these
        ({}, True),
    ],
)
def test_fits_into(annotation, fits):
    assert fits_into(annotation, (40, 60)) == fits


def test_in_words():
    assert turn_of(DecodedImage(orientation=6)).endswith("is turned by 90 degrees clockwise when read")
