"""Tiled sets: objects cut exactly, none lost, put together again they are the same, and they know their origin."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from maskrcnn_project.datasets.coco_file import read_coco_file
from maskrcnn_project.datasets.editing.split import split_coco
from maskrcnn_project.datasets.editing.tile import TileOptions, TileSummary, tile_annotations, write_tiled
from maskrcnn_project.datasets.shapes.shapes import ShapesOptions, write_shapes
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.files import RESULTS_FILE
from maskrcnn_project.masks.coding import box_xywh_of, decode, encode, polygon_box_xywh
from maskrcnn_project.masks.tile_grid import Grid
from tests.places import NUCLEI

HEIGHT, WIDTH = 33, 41
IMAGE = {"id": 7, "file_name": "photo.png", "height": HEIGHT, "width": WIDTH}


@st.composite
def options(draw, min_visible=0.0):
    size = draw(st.integers(6, 45))
    return TileOptions(size, draw(st.integers(0, size * 2 // 3)), min_visible)


@st.composite
def masks(draw):
    """A few rectangles, which may touch, with holes cut out of them."""
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    for value in draw(st.lists(st.booleans(), min_size=1, max_size=4)):
        x, y = draw(st.integers(0, WIDTH - 1)), draw(st.integers(0, HEIGHT - 1))
        mask[y : y + draw(st.integers(1, 20)), x : x + draw(st.integers(1, 20))] = value
    return mask


def row_of(mask, **other):
    return {"id": 3, "image_id": 7, "category_id": 1, "bbox": box_xywh_of(mask), "segmentation": encode(mask), **other}


def tiled(annotations, options, image=IMAGE):
    """(tile, its annotations) of each tile, and the summary."""
    grid, summary = Grid(image["height"], image["width"], options.size, options.overlap), TileSummary()
    return list(zip(grid.tiles, tile_annotations(annotations, image, grid, options, summary), strict=True)), summary


def put_together(shown, of=3):
    """The union of all parts of an annotation, each moved back by the offset of its tile."""
    whole = np.zeros((HEIGHT, WIDTH), dtype=bool)
    for tile, rows in shown:
        for row in rows:
            if row["source_annotation_id"] == of:
                mask = decode(row["segmentation"], tile.height, tile.width)
                whole[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width] |= mask
    return whole


@settings(max_examples=80, deadline=None)
@given(mask=masks(), options=options())
def test_the_parts_make_the_whole_again(mask, options):
    shown, summary = tiled([row_of(mask)], options)
    assert np.array_equal(put_together(shown), mask)
    assert summary.without_pixels == (not mask.any())
    for tile, rows in shown:
        part = mask[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width]
        assert len(rows) == part.any()
        for row in rows:
            assert np.array_equal(decode(row["segmentation"], tile.height, tile.width), part)
            assert row["bbox"] == box_xywh_of(part) and row["area"] == part.sum()
            assert row["visible_fraction"] == round(part.sum() / mask.sum(), 6)


@settings(max_examples=80, deadline=None)
@given(mask=masks(), options=options(min_visible=0.3))
def test_no_object_is_lost_to_the_remnants(mask, options):
    shown, summary = tiled([row_of(mask)], options)
    fractions = [row["visible_fraction"] for _, rows in shown for row in rows]
    assert bool(fractions) == bool(mask.any())
    most = max((mask[t.y : t.y + t.height, t.x : t.x + t.width].sum() for t, _ in shown), default=0)
    assert all(fraction >= round(0.3 * most / mask.sum(), 6) - 1e-6 for fraction in fractions)
    assert summary.annotations == len(fractions)


@settings(max_examples=60, deadline=None)
@given(x=st.integers(0, 30), y=st.integers(0, 22), size=st.integers(2, 10), options=options())
def test_polygons_along_pixels_make_the_whole_again(x, y, size, options):
    corners = [float(n) for n in (x, y, x + size, y, x + size, y + size, x, y + size)]
    mask = decode([corners], HEIGHT, WIDTH)
    shown, summary = tiled([{**row_of(mask), "segmentation": [corners]}], options)
    assert np.array_equal(put_together(shown), mask)
    for tile, rows in shown:
        for row in rows:
            assert isinstance(row["segmentation"], list) and row["bbox"] == polygon_box_xywh(row["segmentation"])
            left, top, width, height = row["bbox"]
            assert left >= 0 and top >= 0 and left + width <= tile.width and top + height <= tile.height
    whole = [row for _, rows in shown for row in rows if row["visible_fraction"] == 1]
    assert bool(whole) == (summary.never_whole == 0)
    if size <= options.overlap:
        assert whole and not summary.wide


def test_remnants_are_left_out_and_crowds_are_not():
    """10 pixels wide at x 15-24; tiles of 24 pixels begin at 0, 8 and 17: they show 9, 10 and 8."""
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[2:4, 15:25] = True
    for crowd, fractions in ((0, [0.9, 1.0]), (1, [0.8, 0.9, 1.0])):
        shown, summary = tiled([row_of(mask, iscrowd=crowd)], TileOptions(24, 8, 0.85))
        first_row = [rows for tile, rows in shown if tile.y == 0]
        assert sorted(row["visible_fraction"] for rows in first_row for row in rows) == fractions
        assert summary.remnants == 1 - crowd


def test_an_object_larger_than_a_tile_is_told():
    mask = np.ones((HEIGHT, WIDTH), dtype=bool)
    shown, summary = tiled([row_of(mask)], TileOptions(20, 5))
    assert all(len(rows) == 1 for _, rows in shown)
    assert (summary.wide, summary.never_whole, summary.widest) == (1, 1, WIDTH)
    assert "1 of them are whole in no tile; the largest measures 41 pixels" in summary.text(TileOptions(20, 5))


def test_other_keys_stay_but_coordinates_that_nobody_cut():
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[3:6, 3:6] = True
    row = row_of(mask, score=0.5, attributes={"worn": True}, keypoints=[3, 3, 2], num_keypoints=1)
    (_, (found,)), *_ = tiled([row], TileOptions(50))[0]
    assert found["score"] == 0.5 and found["attributes"] == {"worn": True} and found["category_id"] == 1
    assert "keypoints" not in found and "num_keypoints" not in found
    assert found["source_annotation_id"] == 3 and found["bbox"] == [3, 3, 3, 3]


def test_an_object_without_a_mask_is_cut_as_its_box():
    row = {"id": 3, "image_id": 7, "category_id": 1, "bbox": [15, 2, 10, 4]}
    shown, _ = tiled([row], TileOptions(24, 8))
    boxes = {tile.x: rows[0]["bbox"] for tile, rows in shown if tile.y == 0}
    assert boxes == {0: [15, 2, 9, 4], 8: [7, 2, 10, 4], 17: [0, 2, 8, 4]}
    assert all("segmentation" not in found for _, rows in shown for found in rows)


def test_run_lengths_that_do_not_fit_are_named():
    row = {"id": 3, "image_id": 7, "category_id": 1, "bbox": [0, 0, 1, 1]}
    row["segmentation"] = {"size": [HEIGHT, WIDTH], "counts": [5, 5]}
    with pytest.raises(
        DatasetError, match=r"Annotation 3 of image 7 \(photo.png\) cannot be cut: The RLE does not fill"
    ):
        tiled([row], TileOptions(20))


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "shapes"
    write_shapes(root, ShapesOptions(train=12, val=1, size=96, seed=2))
    return root


def test_a_tiled_set_is_sound_and_true_to_its_source(shapes, tmp_path):
    """Polygons of one and several parts, RLE of both kinds, holes, an image without objects."""
    source = read_coco_file(shapes / "annotations/train.json")
    summary = write_tiled(source.path, shapes / "train", tmp_path / "tiles", TileOptions(40, 10, min_visible=0))
    data = read_coco_file(tmp_path / "tiles/annotations.json", tmp_path / "tiles/images")  # unique ids, files, sizes
    assert len(data.images) == summary.tiles == 12 * 9 and len(data.annotations) == summary.annotations
    assert data.categories == source.categories and data.other["licenses"] == source.other["licenses"]
    tiles = {image["id"]: image for image in data.images}
    whole = {row["id"]: decode(row["segmentation"], 96, 96) for row in source.annotations}
    again = {key: np.zeros((96, 96), dtype=bool) for key in whole}
    for row in data.annotations:
        tile = tiles[row["image_id"]]
        x, y, mask = tile["source_x"], tile["source_y"], decode(row["segmentation"], tile["height"], tile["width"])
        again[row["source_annotation_id"]][y : y + tile["height"], x : x + tile["width"]] |= mask
        left, top, width, height = row["bbox"]
        assert left >= 0 and top >= 0 and left + width <= tile["width"] and top + height <= tile["height"]
        if isinstance(row["segmentation"], dict):
            assert row["bbox"] == box_xywh_of(mask)
        else:  # between pixels, with tips too fine for any, but round all that is drawn to the nearest pixel
            assert row["bbox"] == polygon_box_xywh(row["segmentation"])
            x, y, w, h = box_xywh_of(mask)
            assert x > left - 1 and y > top - 1 and x + w < left + width + 1 and y + h < top + height + 1
        assert row["area"] == mask.sum() > 0
    for key, mask in whole.items():
        union = (mask | again[key]).sum()
        assert (mask & again[key]).sum() / union > 0.97 or (mask ^ again[key]).sum() <= 2
    for image in data.images:
        with Image.open(shapes / "train" / image["source_file_name"]) as photo:
            x, y = image["source_x"], image["source_y"]
            part = np.asarray(photo)[y : y + image["height"], x : x + image["width"]]
        assert np.array_equal(np.asarray(Image.open(tmp_path / "tiles/images" / image["file_name"])), part)
    train, val = split_coco(data.as_dict(), 0.3)
    sources = [{image["source_image_id"] for image in part["images"]} for part in (train, val)]
    assert sources[0].isdisjoint(sources[1]) and all(sources)


def test_equal_arguments_give_equal_files_and_empty_tiles_may_go(shapes, tmp_path):
    json_file, images = shapes / "annotations/train.json", shapes / "train"
    for name, keep_empty in (("one", True), ("two", True), ("less", False)):
        write_tiled(json_file, images, tmp_path / name, TileOptions(32, 8, keep_empty=keep_empty))
    files = {
        name: {
            path.relative_to(tmp_path / name).as_posix(): path.read_bytes()
            for path in (tmp_path / name).rglob("[!.]*.*")
        }
        for name in ("one", "two", "less")
    }
    assert files["one"] == files["two"]
    coco = json.loads(files["less"]["annotations.json"])
    assert len(files["less"]) - 1 == len(coco["images"]) < len(files["one"]) - 1
    assert {row["image_id"] for row in coco["annotations"]} == {image["id"] for image in coco["images"]}


def test_tiles_of_tiles_remember_the_photograph(shapes, tmp_path):
    write_tiled(
        shapes / "annotations/train.json", shapes / "train", tmp_path / "one", TileOptions(64, 32, min_visible=0)
    )
    write_tiled(
        tmp_path / "one/annotations.json", tmp_path / "one/images", tmp_path / "two", TileOptions(32, min_visible=0)
    )
    source = read_coco_file(shapes / "annotations/train.json").as_dict()
    coco = read_coco_file(tmp_path / "two/annotations.json").as_dict()
    names = {image["id"]: image["file_name"] for image in source["images"]}
    pixels = {row["id"]: decode(row["segmentation"], 96, 96) for row in source["annotations"]}
    tiles = {image["id"]: image for image in coco["images"]}
    for image in coco["images"]:
        assert names[image["source_image_id"]] == image["source_file_name"]
    for row in coco["annotations"]:
        x, y, mask = (
            *(tiles[row["image_id"]][key] for key in ("source_x", "source_y")),
            pixels[row["source_annotation_id"]],
        )
        assert abs(row["visible_fraction"] - mask[y : y + 32, x : x + 32].sum() / mask.sum()) < 0.1


def test_whole_numbers_may_be_written_with_a_point(shapes, tmp_path):
    coco = json.loads((shapes / "annotations/train.json").read_text())
    for image in coco["images"]:
        image["height"] = image["width"] = 96.0
    (tmp_path / "points.json").write_text(json.dumps(coco))
    write_tiled(tmp_path / "points.json", shapes / "train", tmp_path / "tiles", TileOptions(64))
    sides = {image["height"] for image in json.loads((tmp_path / "tiles/annotations.json").read_text())["images"]}
    assert sides == {64} and all(type(side) is int for side in sides)


def test_nothing_is_overwritten_and_nothing_left_behind(shapes, tmp_path):
    json_file, out = shapes / "annotations/train.json", tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    with pytest.raises(DatasetError, match="out exists already and is not empty"):
        write_tiled(json_file, shapes / "train", out, TileOptions(32))
    coco = json.loads(json_file.read_text())
    coco["images"][3]["height"] = 95
    coco["annotations"] = []
    (tmp_path / "wrong.json").write_text(json.dumps(coco))
    with pytest.raises(DatasetError, match="is 96x96 .*, but the JSON says 95x96"):
        write_tiled(tmp_path / "wrong.json", shapes / "train", tmp_path / "new", TileOptions(32))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "wrong.json"]
    (out / "mine.txt").unlink()
    write_tiled(json_file, shapes / "train", out, TileOptions(96))  # an empty folder will do
    assert sorted(path.name for path in out.iterdir()) == [RESULTS_FILE, "annotations.json", "images"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((0,), "size=0 and overlap=0"),
        ((32, 32), "overlap from 0 to below the size, but size=32 and overlap=32"),
        ((32, 0, 1.5), "0 to 1, but is 1.5"),
        ((32, 0, 0.1, True, "gif"), "png or jpg .* but format=gif"),
        ((32, 0, 0.1, True, "jpg", 0), "quality=0"),
    ],
)
def test_options_that_make_no_tiles(arguments, said):
    with pytest.raises(DatasetError, match=said):
        TileOptions(*arguments)


@pytest.mark.skipif(not NUCLEI.is_dir(), reason="needs the nuclei photographs beside the repository")
def test_real_photographs(tmp_path):
    """Masks along pixel edges as polygons, and RLE: nothing but remnants is lost."""
    summary = write_tiled(NUCLEI / "val.json", NUCLEI / "val", tmp_path / "tiles", TileOptions(128, 32, min_visible=0))
    source = read_coco_file(NUCLEI / "val.json")
    data = read_coco_file(tmp_path / "tiles/annotations.json", tmp_path / "tiles/images")
    assert summary.objects == len(source.annotations) == len({row["source_annotation_id"] for row in data.annotations})
    sizes = {image["id"]: (image["height"], image["width"]) for image in source.images}
    again = {row["id"]: np.zeros(sizes[row["image_id"]], dtype=bool) for row in source.annotations}
    tiles = {image["id"]: image for image in data.images}
    for row in data.annotations:
        tile = tiles[row["image_id"]]
        x, y, mask = tile["source_x"], tile["source_y"], decode(row["segmentation"], tile["height"], tile["width"])
        again[row["source_annotation_id"]][y : y + tile["height"], x : x + tile["width"]] |= mask
    for row in source.annotations:
        assert np.array_equal(again[row["id"]], decode(row["segmentation"], *sizes[row["image_id"]]))
