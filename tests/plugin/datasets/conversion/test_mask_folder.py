"""Folders of masks: what pixels mean, how masks find their image and class, holes and parts, wrong pictures."""

import numpy as np
import pytest
from PIL import Image

from maskrcnn_project.datasets.conversion.mask_folder import read_mask_folder
from maskrcnn_project.datasets.conversion.refusals import IMAGE, OBJECT
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.masks.coding import decode

# 1: a ring; 300: two parts.
NUMBERS = np.array(
    [
        [1, 1, 1, 0, 0, 0, 0, 300],
        [1, 0, 1, 0, 0, 0, 0, 300],
        [1, 1, 1, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 300],
        [0, 0, 0, 0, 0, 0, 0, 0],
    ],
    dtype=np.uint16,
)
BINARY = ((NUMBERS > 0) * 255).astype(np.uint8)
RING, PARTS = NUMBERS == 1, NUMBERS == 300


@pytest.fixture
def folders(tmp_path, photo, picture):
    """A function that writes images of 6x8 and masks, both by name, and returns (masks, images)."""

    def write(images, masks):
        for name in images:
            photo(tmp_path / "images" / name)
        for name, numbers in masks.items():
            picture(tmp_path / "masks" / name, numbers)
        (tmp_path / "masks").mkdir(exist_ok=True)
        return tmp_path / "masks", tmp_path / "images"

    return write


def found(conversion):
    """(image, class, number of pixels) of each object."""
    images = {row["id"]: row["file_name"] for row in conversion.coco["images"]}
    names = {row["id"]: row["name"] for row in conversion.coco["categories"]}
    return [(images[r["image_id"]], names[r["category_id"]], r["area"]) for r in conversion.coco["annotations"]]


@pytest.mark.parametrize("kind", ["16 bits", "colours", "palette"])
def test_each_number_is_an_object_with_its_holes_and_parts(folders, picture, kind):
    masks, images = folders(["deep/a.jpg", "b.jpg"], {"deep/a.png": NUMBERS})
    if kind == "colours":
        colours = np.zeros((6, 8, 3), dtype=np.uint8)
        colours[RING], colours[PARTS] = (0, 0, 200), (200, 10, 0)
        picture(masks / "deep" / "a.png", colours)
    elif kind == "palette":
        picture(masks / "deep" / "a.png", (RING * 1 + PARTS * 2).astype(np.uint8), [[0, 0, 0], [9, 9, 9], [9, 9, 9]])
    conversion = read_mask_folder(masks, images, ["cell"], layout="ids")
    ring, parts = conversion.coco["annotations"]
    assert decode(ring["segmentation"], 6, 8).tolist() == RING.tolist() and isinstance(ring["segmentation"], dict)
    assert decode(parts["segmentation"], 6, 8).tolist() == PARTS.tolist() and len(parts["segmentation"]) == 2
    assert found(conversion) == [("deep/a.jpg", "cell", 8), ("deep/a.jpg", "cell", 3)]
    assert conversion.unannotated == 1


@pytest.mark.parametrize(
    ("class_from", "first", "second"),
    [
        ("none", "a/1.png", "a/2.png"),
        ("none", "a_1.png", "a_x.png"),
        ("folder", "cell/a_1.png", "cell/a/2.png"),
        ("suffix", "a_cell_1.png", "a_cell_2.png"),
        ("suffix", "a/cell_1.png", "a/cell_2.png"),
    ],
)
def test_one_picture_for_each_object(folders, class_from, first, second):
    masks, images = folders(["a.png", "b.png"], {first: RING, second: PARTS})
    conversion = read_mask_folder(
        masks, images, ["cell"] if class_from == "none" else None, layout="instances", class_from=class_from
    )
    assert sorted(found(conversion)) == [("a.png", "cell", 3), ("a.png", "cell", 8)]
    assert not conversion.left_out.counts


def test_each_connected_part_of_a_binary_mask(folders):
    corner = BINARY.copy()
    corner[2, 6] = 255  # touches 300's upper part (rows 0 and 1 of column 7) at a corner
    masks, images = folders(["a.png"], {"a.png": corner})
    conversion = read_mask_folder(masks, images, layout="binary")
    assert [area for _, _, area in found(conversion)] == [8, 3, 1]
    assert conversion.coco["categories"] == [{"id": 1, "name": "object"}]


def test_classes_by_folder_are_in_the_order_of_their_names_or_as_given(folders):
    masks, images = folders(["a.png"], {"nut/a.png": NUMBERS, "bolt/a.png": NUMBERS * (NUMBERS == 1)})
    by_name = read_mask_folder(masks, images, layout="ids", class_from="folder")
    assert [row["name"] for row in by_name.coco["categories"]] == ["bolt", "nut"]
    given = read_mask_folder(masks, images, ["nut", "bolt"], layout="ids", class_from="folder")
    assert [row["name"] for row in given.coco["categories"]] == ["nut", "bolt"]
    assert sorted(found(given)) == sorted(found(by_name)) == [("a.png", name, n) for name, n in
                                                              (("bolt", 8), ("nut", 3), ("nut", 8))]  # fmt: skip
    chosen = read_mask_folder(masks, images, ["nut"], layout="ids", class_from="folder")
    assert chosen.left_out.counts == {"object whose label 'bolt' is not among the classes": 1}


def test_classes_by_suffix_may_hold_underscores(folders):
    masks, images = folders(["a.png", "a_b.png"], {"a_b_dark_spot.png": NUMBERS, "a_scratch.png": BINARY})
    unclear = read_mask_folder(masks, images, layout="binary", class_from="suffix")
    assert found(unclear) == [("a.png", "scratch", area) for area in (8, 2, 1)] and len(unclear.coco["images"]) == 1
    assert unclear.left_out.counts == {IMAGE: 1} and "a_b_dark_spot.png fits a.png" in unclear.report()
    conversion = read_mask_folder(masks, images, ["scratch", "dark_spot"], layout="ids", class_from="suffix")
    assert found(conversion) == [("a.png", "scratch", 11), ("a_b.png", "dark_spot", 8), ("a_b.png", "dark_spot", 3)]


def test_masks_may_lie_among_the_images_and_strange_files_are_counted(folders, photo):
    masks, images = folders(["a.png"], {"a.png": NUMBERS, "z.png": NUMBERS})
    photo(masks / "a.jpg")
    photo(masks.parent / "a.png")
    conversion = read_mask_folder(masks, masks.parent, layout="ids")
    assert [row["file_name"] for row in conversion.coco["images"]] == ["a.png", "images/a.png"]
    assert conversion.left_out.counts == {
        "mask whose name belongs to no image (or to no class)": 1,
        "file that is no mask (.png, .bmp, .tif, .tiff)": 1,
    }


def test_a_mask_without_objects_is_an_image_without_objects(folders):
    masks, images = folders(["a.png"], {"a.png": NUMBERS * 0})
    for layout in ("ids", "binary"):
        coco = read_mask_folder(masks, images, layout=layout).coco
        assert (len(coco["images"]), coco["annotations"]) == (1, [])
    conversion = read_mask_folder(masks, images, layout="instances")
    assert conversion.left_out.counts == {"object without a pixel in its image": 1}


def test_what_pixels_and_classes_mean_must_be_said(folders):
    masks, images = folders(["a.png"], {"a.png": NUMBERS})
    with pytest.raises(DatasetError, match="What do the pixels of a mask mean"):
        read_mask_folder(masks, images)
    with pytest.raises(DatasetError, match="2 classes are named, but nothing says which mask shows which"):
        read_mask_folder(masks, images, ["a", "b"], layout="ids")
    with pytest.raises(DatasetError, match="should be different names"):
        read_mask_folder(masks, images, ["a", "a"], layout="ids", class_from="suffix")


@pytest.mark.parametrize("layout", ["binary", "instances"])
def test_several_values_where_one_is_wanted(folders, layout):
    masks, images = folders(["a.png"], {"a.png": NUMBERS})
    with pytest.raises(DatasetError, match=r"a.png should have one value beside 0, but has 2 \(1, 300\): are"):
        read_mask_folder(masks, images, layout=layout)


def test_wrong_pictures_and_names(folders, photo):
    masks, images = folders(["a.png"], {"a.png": NUMBERS[:5]})
    with pytest.raises(DatasetError, match=r"a.png is 5x8 \(height x width\), but its image is 6x8"):
        read_mask_folder(masks, images, layout="ids")
    Image.fromarray(NUMBERS[:5].astype(np.float32)).save(masks / "a.tif")
    (masks / "a.png").unlink()
    with pytest.raises(DatasetError, match="a.tif is 5x8"):
        read_mask_folder(masks, images, layout="ids")
    (masks / "a.tif").rename(masks / "z.tif")
    with pytest.raises(DatasetError, match="for a.png it would be CLASS/a_1.png"):
        read_mask_folder(masks, images, layout="instances", class_from="folder")
    photo(images / "z.png")
    photo(images / "z.jpg")
    with pytest.raises(DatasetError, match="z.jpg and z.png in .* differ by their suffix only"):
        read_mask_folder(masks, images, layout="ids")


@pytest.mark.parametrize(
    ("mask", "image"),
    [
        ("a_cp_masks.png", "a.png"),
        ("deep/a_cp_masks.tif", "deep/a.jpg"),
        ("a_masks.png", "a_img.png"),  # Cellpose's examples
        ("a_mask.png", "a.png"),
        ("a_labels.tif", "a.tif"),
        ("a-label.png", "a.png"),
        ("a_Mask.png", "a.png"),
        ("a_b_seg.png", "a_b.png"),
        ("a/masks/a.png", "a/images/a.png"),
        ("a/masks/whatever.png", "a/images/a.png"),
        ("masks/a.png", "images/a.png"),
    ],
)
@pytest.mark.parametrize("together", [False, True])
def test_names_that_tools_give_to_masks(folders, mask, image, together):
    masks, images = folders([image, "z/other.png"], {mask: NUMBERS})
    if together:
        (images / mask).parent.mkdir(parents=True, exist_ok=True)
        (masks / mask).rename(images / mask)
        masks = images
    conversion = read_mask_folder(masks, images, ["cell"], layout="ids")
    assert found(conversion) == [(image, "cell", 8), (image, "cell", 3)]
    assert [row["file_name"] for row in conversion.coco["images"]] == sorted([image, "z/other.png"])
    assert not conversion.left_out.counts


def test_masks_among_the_images_are_no_images(folders, picture):
    masks, images = folders(["a.png", "b.png", "face_mask.png"], {"a.png": NUMBERS})
    picture(images / "b_cp_masks.png", NUMBERS)
    conversion = read_mask_folder(masks, images, layout="ids")
    # face_mask is the mask of no image
    assert [row["file_name"] for row in conversion.coco["images"]] == ["a.png", "b.png", "face_mask.png"]
    (reason,) = conversion.left_out.counts
    assert reason.startswith("picture among the images that is no image by its name")


def test_the_folder_of_each_image_of_the_nuclei_challenge(tmp_path, photo, picture):
    root = tmp_path / "stage1_train"
    for name in ("00ab", "01cd", "02ef"):
        photo(root / name / "images" / f"{name}.png")
    picture(root / "00ab" / "masks" / "5f.png", RING)
    picture(root / "00ab" / "masks" / "6a.png", PARTS)
    picture(root / "01cd" / "masks" / "7b.png", PARTS)
    conversion = read_mask_folder(root, root, ["nucleus"], layout="instances")
    assert sorted(found(conversion)) == [
        ("00ab/images/00ab.png", "nucleus", 3),
        ("00ab/images/00ab.png", "nucleus", 8),
        ("01cd/images/01cd.png", "nucleus", 3),
    ]
    assert (len(conversion.coco["images"]), conversion.unannotated) == (3, 1)
    photo(root / "02ef" / "images" / "second.png")
    picture(root / "02ef" / "masks" / "8c.png", RING)
    told = read_mask_folder(root, root, ["nucleus"], layout="instances").left_out.counts
    assert told == {"mask whose name belongs to no image (or to no class)": 1}


WHITE, BLACK = (255, 255, 255), (0, 0, 0)


@pytest.mark.parametrize(
    ("outside", "inside", "told"),
    [
        ((*WHITE, 0), (*WHITE, 255), 1),
        ((*BLACK, 0), (*BLACK, 255), 1),
        ((*WHITE, 0), (*BLACK, 255), 1),
        ((9, 9, 9, 0), (200, 0, 0, 255), 0),
        ((*BLACK, 0), (*WHITE, 255), 0),
        ((*BLACK, 255), (*WHITE, 255), 0),
        ((*BLACK, 0), (*WHITE, 0), 0),  # all of it transparent
        ((255, 0), (255, 255), 1),
        ((0, 255), (255, 255), 0),
    ],
)
def test_masks_in_the_alpha_channel(folders, outside, inside, told):
    masks, images = folders(["a.png"], {})
    pixels = np.where((BINARY > 0)[:, :, None], np.array(inside), np.array(outside)).astype(np.uint8)
    Image.fromarray(pixels).save(masks / "a.png")
    conversion = read_mask_folder(masks, images, layout="binary")
    assert [area for _, _, area in found(conversion)] == [8, 2, 1]
    assert conversion.left_out.counts == (
        {"mask of one colour, which was read from its alpha channel": 1} if told else {}
    )


def test_a_blurred_alpha_channel_is_told(folders):
    masks, images = folders(["a.png"], {})
    pixels = np.full((6, 8, 4), 255, np.uint8)
    pixels[:, :, 3] = np.arange(48).reshape(6, 8)
    Image.fromarray(pixels).save(masks / "a.png")
    with pytest.raises(DatasetError, match="should have one value beside 0, but has 47 .* blurred edges"):
        read_mask_folder(masks, images, layout="binary")


@pytest.mark.parametrize("white", [1, 255, 7])
def test_binary_masks_are_no_numbered_ones(folders, white):
    one, nothing = (RING * white).astype(np.uint8), (RING * 0).astype(np.uint8)
    parts = ((NUMBERS > 0) * white).astype(np.uint8)
    masks, images = folders(["a.png", "b.png", "c.png"], {"a.png": one, "b.png": nothing, "c.png": parts})
    with pytest.raises(DatasetError, match=rf"c.png has one value beside 0 \({white}\) in 3 parts, .*--layout binary"):
        read_mask_folder(masks, images, layout="ids")
    assert len(read_mask_folder(masks, images, layout="binary").coco["annotations"]) == 4
    assert len(read_mask_folder(masks, images, layout="instances").coco["annotations"]) == 2


def test_one_number_in_a_picture_is_an_object_where_others_have_more(folders):
    masks, images = folders(["a.png", "b.png", "c.png"], {"a.png": NUMBERS, "b.png": PARTS * np.uint8(1)})
    conversion = read_mask_folder(masks, images, layout="ids")
    assert [area for _, _, area in found(conversion)] == [8, 3, 3] and not conversion.left_out.counts
    Image.fromarray(BINARY).save(masks / "c.png")
    told = read_mask_folder(masks, images, layout="ids").left_out.counts
    assert told == {"mask that is white on black, whose parts were taken for one object": 1}
    for name, number in (("a", 4), ("b", 9), ("c", 2)):  # numbers that go on from picture to picture
        Image.fromarray((PARTS * number).astype(np.uint8)).save(masks / f"{name}.png")
    assert len(read_mask_folder(masks, images, layout="ids").coco["annotations"]) == 3


def test_masks_as_jpeg_are_told_where_there_are_no_others(folders, photo):
    masks, images = folders(["a.png"], {})
    photo(masks / "a.jpg")
    with pytest.raises(DatasetError, match=r"(?s)belongs to an image .*Left out:\n.*1  file that is no mask"):
        read_mask_folder(masks, images, layout="binary")
    Image.fromarray(BINARY).save(masks / "a.png", "JPEG")
    with pytest.raises(DatasetError, match="a.png is a JPEG picture"):
        read_mask_folder(masks, images, layout="binary")


def save_pages(path, *pages):
    first, *others = [Image.fromarray(np.asarray(page)) for page in pages]
    first.save(path, save_all=True, append_images=others)


@pytest.mark.parametrize(("layout", "areas"), [("instances", [8, 3]), ("binary", [8, 2, 1]), ("ids", [8, 3])])
def test_every_page_of_a_tiff_is_read(folders, layout, areas):
    masks, images = folders(["a.png"], {})
    save_pages(masks / "a.tif", RING * np.uint8(1), PARTS * np.uint8(2))
    conversion = read_mask_folder(masks, images, layout=layout)
    assert [area for _, _, area in found(conversion)] == areas and not conversion.left_out.counts


def test_the_same_number_on_two_pages_is_two_objects(folders):
    masks, images = folders(["a.png"], {})
    save_pages(masks / "a.tif", NUMBERS, NUMBERS, NUMBERS * 0)
    conversion = read_mask_folder(masks, images, layout="ids")
    assert [area for _, _, area in found(conversion)] == [8, 3, 8, 3]


def test_a_page_that_is_a_reduced_picture_of_another_is_none(folders):
    masks, images = folders(["a.png"], {})
    small = Image.fromarray(NUMBERS[::2, ::2])
    small.encoderinfo = {"tiffinfo": {254: 1}}
    Image.fromarray(NUMBERS).save(masks / "a.tif", save_all=True, append_images=[small])
    assert [area for _, _, area in found(read_mask_folder(masks, images, layout="ids"))] == [8, 3]


def test_a_page_of_another_size_costs_its_object_or_the_image(folders):
    masks, images = folders(["a.png", "b.png"], {"b.png": NUMBERS * (NUMBERS == 1)})
    save_pages(masks / "a.tif", RING * np.uint8(1), RING[:5] * np.uint8(1), PARTS * np.uint8(1))
    conversion = read_mask_folder(masks, images, layout="instances")
    assert found(conversion) == [("a.png", "object", 8), ("a.png", "object", 3), ("b.png", "object", 8)]
    assert conversion.left_out.counts == {OBJECT: 1} and "a.tif, page 2 is 5x8" in conversion.report()
    for layout in ("ids", "binary"):
        conversion = read_mask_folder(masks, images, layout=layout)
        assert found(conversion) == [("b.png", "object", 8)] and conversion.left_out.counts == {IMAGE: 1}
        assert [row["file_name"] for row in conversion.coco["images"]] == ["b.png"]


def test_whole_numbers_in_floating_point_pixels(folders):
    masks, images = folders(["a.png"], {})
    Image.fromarray(NUMBERS.astype(np.float32)).save(masks / "a.tif")
    assert [area for _, _, area in found(read_mask_folder(masks, images, layout="ids"))] == [8, 3]
    for wrong, words in ((0.5, "0.5"), (np.nan, "nan"), (np.inf, "inf")):
        Image.fromarray(np.where(RING, np.float32(wrong), np.float32(0))).save(masks / "a.tif")
        with pytest.raises(
            DatasetError, match=f"a.tif has pixels of {words}, but objects are numbered by whole numbers"
        ):
            read_mask_folder(masks, images, layout="ids")


@pytest.mark.parametrize(
    "by_product",
    [
        "_outlines_cp_masks.png",
        "_flows_cp_masks.tif",
        "_dP_cp_masks.tif",
        "_flows.tif",
        "_cp_output.png",
        "_cp_flows0.png",
    ],
)
@pytest.mark.parametrize("image", ["a.png", "deep/a_img.png"])
@pytest.mark.parametrize("layout", ["ids", "instances"])
def test_what_cellpose_saves_beside_its_masks_is_neither_image_nor_mask(folders, picture, by_product, image, layout):
    masks, images = folders([image, "river_flows.png"], {})
    stem = image.removesuffix(".png")
    picture(images / f"{stem}_cp_masks.png", (RING * 9).astype(np.uint16))
    picture(images / f"{stem}{by_product}", BINARY)
    conversion = read_mask_folder(images, images, layout=layout)
    assert [row["file_name"] for row in conversion.coco["images"]] == sorted([image, "river_flows.png"])
    assert found(conversion) == [(image, "object", 8)]
    assert conversion.left_out.counts == {"by-product of Cellpose, which is no mask": 1}
    (images / f"{stem}_cp_masks.png").rename(masks / "m.png")
    (masks / image).parent.mkdir(exist_ok=True)
    (masks / "m.png").rename(masks / image)
    apart = read_mask_folder(masks, images, layout=layout)
    assert [row["file_name"] for row in apart.coco["images"]] == sorted([image, "river_flows.png"])


@pytest.mark.parametrize("fault", ["blurred", "broken", "another size"])
def test_a_wrong_mask_costs_its_object_or_its_image(folders, fault):
    masks, images = folders(["a.png", "b.png"], {"a/1.png": RING, "a/2.png": PARTS, "b/1.png": RING, "b.png": RING})
    for path in (masks / "a" / "2.png", masks / "b" / "1.png", masks / "b.png", masks / "a.png"):
        if fault == "blurred":
            Image.fromarray(NUMBERS).save(path)
        elif fault == "another size":
            Image.fromarray(BINARY[:, :7]).save(path)
        else:
            path.write_bytes(b"junk")
    (masks / "a.png").unlink()
    conversion = read_mask_folder(masks, images, layout="instances")
    assert found(conversion) == [("a.png", "object", 8)]
    assert conversion.left_out.counts == {OBJECT: 3, "image none of whose objects can be converted": 1}
    Image.fromarray(RING).save(masks / "a.png")
    conversion = read_mask_folder(masks, images, layout="binary")
    assert found(conversion) == [("a.png", "object", 8)] and conversion.left_out.counts[IMAGE] == 1
    assert [row["file_name"] for row in conversion.coco["images"]] == ["a.png"]


def test_what_is_said_of_values_is_what_was_counted(folders):
    masks, images = folders(["a.png"], {"a.png": np.where(RING, np.uint8(255), (PARTS * 128).astype(np.uint8))})
    with pytest.raises(DatasetError, match=r"has 2 \(128, 255\): are they objects"):
        read_mask_folder(masks, images, layout="binary")
    Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8)).save(masks / "a.png")
    with pytest.raises(DatasetError, match=r"has 47 \(1, 2, 3, 4, \.\.\.\): are they"):
        read_mask_folder(masks, images, layout="binary")
