"""Pascal VOC: objects and classes from pictures of numbers or colours, void, splits, class lists."""

import numpy as np
import pytest
from PIL import Image

from maskrcnn_project.datasets.conversion.refusals import IMAGE, OBJECT
from maskrcnn_project.datasets.conversion.voc import read_voc
from maskrcnn_project.datasets.conversion.voc_pictures import VOC_CLASSES, colour_map
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.masks.coding import decode

# Object 1 is a ring whose hole is void (255) and background, object 3 has two parts; 2 is not used.
OBJECTS = np.array(
    [
        [1, 1, 1, 0, 3, 3],
        [1, 255, 1, 0, 0, 0],
        [1, 0, 1, 0, 3, 0],
        [1, 1, 1, 0, 255, 255],
    ],
    dtype=np.uint8,
)
CLASSES = np.array(
    [
        [2, 2, 2, 0, 15, 15],
        [2, 255, 2, 0, 0, 0],
        [2, 0, 2, 0, 15, 0],
        [2, 2, 2, 0, 255, 255],
    ],
    dtype=np.uint8,
)


@pytest.fixture
def voc(tmp_path, photo, picture):
    """A function that writes both pictures of the image ``a`` and returns their folder; ``b`` has none."""

    def write(objects=OBJECTS, classes=CLASSES, palette=True):
        for name in ("a", "b"):
            photo(tmp_path / "JPEGImages" / f"{name}.jpg", 4, 6)
        for folder, numbers in (("SegmentationObject", objects), ("SegmentationClass", classes)):
            picture(tmp_path / folder / "a.png", numbers, colour_map() if palette and numbers.ndim == 2 else None)
        lists = tmp_path / "ImageSets" / "Segmentation"
        lists.mkdir(parents=True, exist_ok=True)
        (lists / "train.txt").write_text("a\n")
        (lists / "val.txt").write_text("b\n")
        return tmp_path

    return write


def test_the_colour_map_is_that_of_the_challenge():
    known = {0: (0, 0, 0), 1: (128, 0, 0), 2: (0, 128, 0), 8: (64, 0, 0), 15: (192, 128, 128), 255: (224, 224, 192)}
    assert {number: tuple(colour_map()[number].tolist()) for number in known} == known
    assert len(VOC_CLASSES) == 20 and VOC_CLASSES[14] == "person"


def test_holes_parts_and_void(voc):
    conversion = read_voc(voc())
    ring, person = conversion.coco["annotations"]
    assert decode(ring["segmentation"], 4, 6).tolist() == (OBJECTS == 1).tolist()
    assert decode(person["segmentation"], 4, 6).tolist() == (OBJECTS == 3).tolist()
    assert isinstance(ring["segmentation"], dict) and len(person["segmentation"]) == 2
    assert (ring["bbox"], ring["area"], ring["category_id"]) == ([0, 0, 3, 4], 10, 2)
    assert (person["bbox"], person["area"], person["category_id"]) == ([4, 0, 2, 3], 3, 15)
    assert [row["name"] for row in conversion.coco["categories"]] == list(VOC_CLASSES)
    assert "VOC's twenty" in conversion.class_order


@pytest.mark.parametrize("kind", ["grey", "colours"])
def test_pictures_without_a_palette(voc, kind):
    folder = (
        voc(OBJECTS, CLASSES, palette=False) if kind == "grey" else voc(colour_map()[OBJECTS], colour_map()[CLASSES])
    )
    assert [row["area"] for row in read_voc(folder).coco["annotations"]] == [10, 3]


def test_classes_choose_among_the_twenty_or_name_the_numbers(voc):
    chosen = read_voc(voc(), classes=["person"])
    assert [row["category_id"] for row in chosen.coco["annotations"]] == [1]
    assert chosen.left_out.counts == {"object whose label 'bicycle' is not among the classes": 1}
    numbers = np.where(CLASSES == 15, 1, CLASSES)
    own = read_voc(voc(classes=numbers), classes=["screw", "nut"])
    assert [row["category_id"] for row in own.coco["annotations"]] == [2, 1]
    few = read_voc(voc(), classes=["screw", "nut"])
    assert [row["category_id"] for row in few.coco["annotations"]] == [2]
    assert few.left_out.counts == {OBJECT: 1}
    assert "a.png has pixels of class 15 there, but only 2 classes are known" in few.report()


def test_a_label_map_knows_classes_by_their_colours(voc):
    colours = np.zeros((4, 6, 3), dtype=np.uint8)
    colours[CLASSES == 2], colours[CLASSES == 15], colours[CLASSES == 255] = (10, 20, 30), (1, 2, 3), (224, 224, 192)
    folder = voc(classes=colours)
    label_map = folder / "labelmap.txt"
    label_map.write_text("# label:color_rgb:parts:actions\nbackground:0,0,0::\nnut:1,2,3::\nscrew:10,20,30::\n")
    conversion = read_voc(folder)
    assert [row["name"] for row in conversion.coco["categories"]] == ["nut", "screw"]
    assert [row["category_id"] for row in conversion.coco["annotations"]] == [2, 1]
    label_map.write_text("nut:1,2,3::\n")
    partial = read_voc(folder)
    assert [row["area"] for row in partial.coco["annotations"]] == [3] and partial.left_out.counts == {OBJECT: 1}
    assert "a.png has the colour 10,20,30 there, which is not in labelmap.txt" in partial.report()
    label_map.write_text("nut\n")
    with pytest.raises(DatasetError, match="labelmap.txt, line 1, should be name:red,green,blue"):
        read_voc(folder)


def test_splits_and_images_that_nobody_annotated(voc):
    folder = voc()
    assert [row["file_name"] for row in read_voc(folder).coco["images"]] == ["a.jpg", "b.jpg"]
    assert [row["file_name"] for row in read_voc(folder, annotated_only=True).coco["images"]] == ["a.jpg"]
    assert [row["file_name"] for row in read_voc(folder, split="train").coco["images"]] == ["a.jpg"]
    val = read_voc(folder, split="val")
    assert ([row["file_name"] for row in val.coco["images"]], val.coco["annotations"]) == (["b.jpg"], [])
    with pytest.raises(DatasetError, match="There is no list .*test.txt of the split 'test'; there is train, val"):
        read_voc(folder, split="test")
    (folder / "ImageSets/Segmentation/val.txt").write_text("c\n")
    with pytest.raises(DatasetError, match="val.txt has no image c in"):
        read_voc(folder, split="val")


def test_objects_of_several_classes_or_none_are_told(voc):
    classes = np.where(CLASSES == 15, 0, CLASSES)
    classes[0, 0] = 4
    conversion = read_voc(voc(classes=classes))
    assert [row["category_id"] for row in conversion.coco["annotations"]] == [2]
    assert conversion.left_out.counts == {
        "object of several classes (it got the most frequent)": 1,
        "object whose pixels have no class": 1,
    }


def test_wrong_sizes_and_missing_pictures(voc, photo):
    with pytest.raises(DatasetError, match=r"SegmentationClass.a.png is 3x6 .*, but .*SegmentationObject.a.png is 4x6"):
        read_voc(voc(classes=CLASSES[:3]))
    folder = voc()
    photo(folder / "JPEGImages" / "a.jpg", 6, 4)
    with pytest.raises(DatasetError, match=r"a.png was made for an image of 4x6 .*a.jpg is 6x4 upright"):
        read_voc(folder)
    photo(folder / "JPEGImages" / "a.jpg", 6, 4, orientation=6)  # upright 4x6
    assert len(read_voc(folder).coco["annotations"]) == 2
    (folder / "SegmentationClass" / "a.png").unlink()
    with pytest.raises(DatasetError, match="There is no .*a.png, so that the classes"):
        read_voc(folder)
    (folder / "SegmentationObject" / "a.png").write_bytes(b"no picture")
    with pytest.raises(DatasetError, match="The picture .*a.png cannot be read"):
        read_voc(folder)
    (folder / "JPEGImages" / "a.jpg").unlink()
    with pytest.raises(DatasetError, match="a.png has no image a in"):
        read_voc(folder)
    with pytest.raises(DatasetError, match="has no folder SegmentationClass"):
        read_voc(folder / "ImageSets")


def test_object_255_of_a_picture_of_16_bits(voc):
    objects = np.where(OBJECTS == 3, 300, OBJECTS.astype(np.uint16))
    objects[3, 4:] = 65535
    classes = CLASSES.copy()
    classes[1, 1] = 4
    conversion = read_voc(voc(objects=objects, classes=classes, palette=False))
    assert [(row["category_id"], row["area"]) for row in conversion.coco["annotations"]] == [(2, 10), (4, 1), (15, 3)]
    assert not conversion.left_out.counts
    # where the picture of classes says void, it is no object, and this is told
    void = read_voc(voc(objects=objects, palette=False))
    assert [row["category_id"] for row in void.coco["annotations"]] == [2, 15]
    assert void.left_out.counts == {"object whose pixels have no class": 1}


@pytest.mark.parametrize("folder_name", ["SegmentationObject", "SegmentationClass"])
@pytest.mark.parametrize("suffix", [".jpg", ".JPEG", ".webp", ".gif"])
def test_masks_of_another_kind_are_refused(voc, folder_name, suffix):
    folder = voc()
    mask = folder / folder_name / "a.png"
    mask.with_name("notes.txt").write_text("")
    mask.with_suffix(suffix).write_bytes(b"a preview beside the mask")
    assert len(read_voc(folder).coco["annotations"]) == 2
    mask.unlink()
    with pytest.raises(DatasetError, match=rf"The mask .*{folder_name}.a{suffix} is wanted as PNG"):
        read_voc(folder)


def test_a_jpeg_that_is_called_png_is_refused(voc):
    folder = voc()
    path = folder / "SegmentationObject" / "a.png"
    Image.fromarray(OBJECTS).save(path, "JPEG")
    with pytest.raises(DatasetError, match="a.png is a JPEG picture, which mixes the numbers"):
        read_voc(folder)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("# label:color_rgb:parts:actions\nbackground:::\nnut:::\nscrew:::\n", ["nut", "screw"]),
        ("nut:::\nscrew:::\n", ["nut", "screw"]),
        ("background:0,0,0::\nnut:::\nscrew: 0, 128, 0 ::\n", ["nut", "screw"]),
        ("nut:128,0,0::\nscrew:::\n", ["nut", "screw"]),
    ],
)
def test_classes_without_colours_have_those_of_the_colour_map(voc, text, names):
    classes = np.select([CLASSES == 2, CLASSES == 15], [1, 2], 0)
    folder = voc(OBJECTS, colour_map()[classes], palette=False)
    (folder / "labelmap.txt").write_text(text)
    coco = read_voc(folder).coco
    assert [row["name"] for row in coco["categories"]] == names
    assert [row["category_id"] for row in coco["annotations"]] == [1, 2]


@pytest.mark.parametrize("line", ["nut:1,2", "nut:1,2,256::", "nut:red::", "nut:1,2,-3::", "nut"])
def test_a_wrong_line_of_the_label_map(voc, line):
    folder = voc()
    (folder / "labelmap.txt").write_text(f"background:::\n{line}\n")
    with pytest.raises(DatasetError, match="labelmap.txt, line 2, should be name:red,green,blue"):
        read_voc(folder)


def test_two_classes_of_one_colour(voc):
    folder = voc()
    (folder / "labelmap.txt").write_text("nut:::\nscrew:128,0,0::\n")
    with pytest.raises(DatasetError, match="line 2, gives 'screw' the colour of 'nut': each class should have"):
        read_voc(folder)


def test_objects_in_any_colours(voc):
    colours = np.zeros((4, 6, 3), dtype=np.uint8)
    colours[OBJECTS == 1], colours[OBJECTS == 3], colours[OBJECTS == 255] = (7, 7, 7), (128, 0, 0), (224, 224, 192)
    coco = read_voc(voc(colours, CLASSES)).coco
    assert [(row["category_id"], row["area"]) for row in coco["annotations"]] == [(15, 3), (2, 10)]
    assert not read_voc(voc(colours, CLASSES)).left_out.counts


def test_an_unknown_colour_of_a_class_costs_its_objects(voc):
    classes = colour_map()[CLASSES]
    classes[OBJECTS == 3] = (1, 2, 3)
    conversion = read_voc(voc(OBJECTS, classes))
    assert [row["category_id"] for row in conversion.coco["annotations"]] == [2]
    assert conversion.left_out.counts == {OBJECT: 1}
    assert (
        "object 3: " in conversion.report() and "1,2,3 there, which is not in VOC's colour map" in conversion.report()
    )


def test_one_picture_of_the_two_leaves_the_image_out(voc, picture):
    folder = voc()
    picture(folder / "SegmentationClass" / "b.png", CLASSES)
    conversion = read_voc(folder)
    assert [row["file_name"] for row in conversion.coco["images"]] == ["a.jpg"] and conversion.unannotated == 0
    assert conversion.left_out.counts == {IMAGE: 1}
    assert "There is no " in conversion.report() and "SegmentationObject/b.png beside" in conversion.report()
    (folder / "ImageSets/Segmentation/both.txt").write_text("b\na\nnowhere\n")
    both = read_voc(folder, split="both")
    assert [row["file_name"] for row in both.coco["images"]] == ["a.jpg"] and both.left_out.counts == {IMAGE: 2}
    assert not read_voc(folder, split="train").left_out.counts


@pytest.mark.parametrize("name", ["background", "_background_", "__background__"])
def test_background_of_another_colour_is_no_class(voc, name):
    folder = voc(OBJECTS, np.where((CLASSES == 0)[:, :, None], 255, colour_map()[CLASSES]).astype(np.uint8))
    (folder / "labelmap.txt").write_text(f"{name}:255,255,255::\nnut:0,128,0::\nscrew:192,128,128::\n")
    coco = read_voc(folder).coco
    assert [row["name"] for row in coco["categories"]] == ["nut", "screw"]
    assert [(row["category_id"], row["area"]) for row in coco["annotations"]] == [(1, 10), (2, 3)]
