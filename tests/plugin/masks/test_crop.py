"""Objects cut by tiles: pixels without decoding the whole image, polygons with their corners, run lengths exactly."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from maskrcnn_project.masks.coding import decode, encode, polygon_box_xywh
from maskrcnn_project.masks.crop import area_of, clip, clip_polygons, pixels_of
from maskrcnn_project.masks.window import Window

HEIGHT, WIDTH = 40, 50
# Quarters of a pixel are exact in binary, so that moving them by whole pixels rounds nothing.
CORNER = st.tuples(st.integers(-8, 4 * WIDTH + 8), st.integers(-8, 4 * HEIGHT + 8))
POLYGONS = st.lists(
    st.lists(CORNER, min_size=3, max_size=7).map(lambda points: [n / 4 for point in points for n in point]),
    min_size=1,
    max_size=2,
)
SQUARE = [10.0, 10.0, 20.0, 10.0, 20.0, 20.0, 10.0, 20.0]


@st.composite
def tiles(draw):
    x, y = draw(st.integers(0, WIDTH - 1)), draw(st.integers(0, HEIGHT - 1))
    return Window(x, y, draw(st.integers(1, WIDTH - x)), draw(st.integers(1, HEIGHT - y)))


@st.composite
def blots(draw):
    """A polygon that does not cross itself: corners in the order of their angles round a point."""
    number = draw(st.integers(3, 9))
    radii = draw(st.lists(st.floats(4, 18), min_size=number, max_size=number))
    angles = np.linspace(0, 2 * np.pi, number, endpoint=False)
    x, y = draw(st.floats(18, 32)), draw(st.floats(18, 22))
    points = np.stack([x + radii * np.cos(angles), y + radii * np.sin(angles)], axis=1)
    return np.round(points * 4).ravel() / 4


def crop(mask, tile):
    return mask[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width]


@given(bits=st.binary(min_size=HEIGHT * WIDTH // 8, max_size=HEIGHT * WIDTH // 8), tile=tiles())
@settings(max_examples=40, deadline=None)
def test_run_lengths_are_cut_pixel_by_pixel(bits, tile):
    mask = np.unpackbits(np.frombuffer(bits, np.uint8)).astype(bool).reshape(HEIGHT, WIDTH)
    rle = encode(mask)
    pixels = pixels_of(rle, HEIGHT, WIDTH)
    assert np.array_equal(pixels.in_tile(tile), crop(mask, tile))
    assert pixels.within(tile).sum() == crop(mask, tile).sum()
    assert np.array_equal(decode(clip(rle, pixels, tile), tile.height, tile.width), crop(mask, tile))


@given(polygons=POLYGONS, tile=tiles())
@settings(max_examples=100, deadline=None)
def test_the_pixels_of_polygons_are_those_of_the_whole_image(polygons, tile):
    mask = decode(polygons, HEIGHT, WIDTH)
    assert np.array_equal(pixels_of(polygons, HEIGHT, WIDTH).in_tile(tile), crop(mask, tile))


@given(polygon=blots(), tile=tiles())
@settings(max_examples=100, deadline=None)
def test_a_clipped_polygon_differs_from_its_pixels_along_the_outline_only(polygon, tile):
    """
    pycocotools rounds every corner to the nearest fifth of a pixel. A new corner on the edge of the tile may therefore
    turn its side by up to a tenth of a pixel, which decides about pixels that this side runs through or nearly does:
    none whose centre is a pixel away from it.
    """
    polygons = [polygon.tolist()]
    pixels = pixels_of(polygons, HEIGHT, WIDTH)
    part = pixels.in_tile(tile)
    if part.any():
        clipped = clip(polygons, pixels, tile)
        mask = decode(clipped, tile.height, tile.width)
        assert mask.any()
        rows, columns = np.nonzero(mask ^ part)
        centres = shapely.points(columns + tile.x + 0.5, rows + tile.y + 0.5)
        assert (shapely.distance(centres, shapely.LinearRing(polygon.reshape(-1, 2))) < 1).all()
        x, y, w, h = polygon_box_xywh(clipped)
        assert x >= 0 and y >= 0 and x + w <= tile.width and y + h <= tile.height


def test_a_polygon_keeps_its_corners():
    assert clip_polygons([SQUARE], Window(5, 5, 30, 30)) == [[5.0, 5.0, 15.0, 5.0, 15.0, 15.0, 5.0, 15.0]]
    (cut,) = clip_polygons([SQUARE], Window(15, 0, 20, 20))  # its right half
    assert sorted(zip(cut[::2], cut[1::2], strict=True)) == [(0, 10), (0, 20), (5, 10), (5, 20)]


def test_a_polygon_may_fall_into_pieces():
    comb = [0, 0, 9, 0, 9, 8, 6, 8, 6, 2, 3, 2, 3, 8, 0, 8]  # two teeth downwards
    assert len(clip_polygons([comb], Window(0, 4, 9, 4))) == 2
    assert clip_polygons([SQUARE], Window(20, 0, 9, 30)) == []  # they touch along a line


def test_a_polygon_that_crosses_itself_goes_through_pixels():
    bow = [0.0, 0.0, 20.0, 20.0, 20.0, 0.0, 0.0, 20.0]
    tile = Window(5, 0, 20, 20)
    assert clip_polygons([bow], tile) is None
    pixels = pixels_of([bow], HEIGHT, WIDTH)
    clipped = clip([bow], pixels, tile)
    assert np.array_equal(decode(clipped, 20, 20), pixels.in_tile(tile))
    assert area_of(clipped, tile) == pixels.within(tile).sum()


@pytest.mark.parametrize("nothing", [[[]], [[1.0, 1.0, 2.0, 2.0]], {"size": [40, 50], "counts": [2000]}])
def test_nothing_has_no_pixels(nothing):
    empty = pixels_of(nothing, HEIGHT, WIDTH)
    assert empty.pixels.size == 0 and not empty.in_tile(Window(3, 3, 4, 5)).any()
    assert empty.in_tile(Window(3, 3, 4, 5)).shape == (5, 4)


def test_run_lengths_that_do_not_fill_the_image_are_refused():
    with pytest.raises(ValueError, match="does not fill the 40x50 pixels"):
        pixels_of({"size": [40, 50], "counts": [5, 5]}, HEIGHT, WIDTH)
