"""YOLO segmentation: there and back with the same pixels, the folder rules, splits, and what is refused."""

import json

import numpy as np
import pytest
import yaml

from maskrcnn_project.datasets.conversion.refusals import IMAGE, OBJECT
from maskrcnn_project.datasets.conversion.yolo import read_yolo
from maskrcnn_project.datasets.conversion.yolo_set import label_file
from maskrcnn_project.datasets.conversion.yolo_writer import splits_wanted, write_yolo
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.masks.coding import decode

SQUARE = "0.25 0 0.75 0 0.75 0.5 0.25 0.5"  # of 8x6 pixels: x from 2 to 6, y from 0 to 3


@pytest.fixture
def yolo_set(tmp_path, photo):
    """A function that writes one image of 6x8, its label lines, and data.yaml, if a text is given."""

    def write(*lines, data="names: [screw, nut]\n"):
        photo(tmp_path / "images" / "train" / "a.png")
        labels = tmp_path / "labels" / "train" / "a.txt"
        labels.parent.mkdir(parents=True, exist_ok=True)
        labels.write_text("".join(f"{line}\n" for line in lines))
        if data:
            (tmp_path / "data.yaml").write_text(data)
        return tmp_path

    return write


def test_there_and_back_every_pixel_and_class_is_the_same(hard_set, tmp_path, objects_of):
    left_out = write_yolo(hard_set, tmp_path / "yolo")
    back = read_yolo(tmp_path / "yolo" / "data.yaml", tmp_path / "yolo" / "images" / "train", split="train")
    assert not left_out.counts and not back.left_out.counts
    assert objects_of(back.coco) == objects_of(hard_set.as_dict())
    assert [row["name"] for row in back.coco["categories"]] == ["screw", "nut"]
    assert [row["file_name"] for row in back.coco["images"]] == ["a.png", "deep/b.jpg", "empty.png"]
    assert back.unannotated == 0  # an empty label file says that there is nothing


def test_holes_come_back_as_run_lengths_and_parts_as_polygons(hard_set, tmp_path):
    write_yolo(hard_set, tmp_path / "yolo")
    rows = read_yolo(tmp_path / "yolo").coco["annotations"]
    kinds = ["RLE" if isinstance(row["segmentation"], dict) else len(row["segmentation"]) for row in rows[:3]]
    assert kinds == ["RLE", 2, 1]  # the ring, the object of two parts, the triangle


def test_every_coordinate_lies_between_0_and_1(hard_set, tmp_path):
    write_yolo(hard_set, tmp_path / "yolo")
    words = (tmp_path / "yolo/labels/train/deep/b.txt").read_text().split("\n")[2].split()
    assert words[0] == "1"
    assert {float(word) for word in words[1:]} == {0, 0.5, 0.625}  # x up to 5 of 8, y up to 3 of 6; -2 and -1 are cut


def test_nuclei_there_and_back(nuclei, tmp_path, objects_of):
    write_yolo(nuclei, tmp_path, "val")
    back = read_yolo(tmp_path, tmp_path / "images" / "val", split="val").coco
    assert objects_of(back) == objects_of(nuclei.as_dict())


def test_images_are_linked_and_their_list_is_relative(hard_set, tmp_path):
    write_yolo(hard_set, tmp_path / "yolo")
    assert (tmp_path / "yolo/images/train").samefile(hard_set.image_root)
    assert (tmp_path / "yolo/images/train").is_symlink()
    assert (tmp_path / "yolo/train.txt").read_text().splitlines()[1] == "./images/train/deep/b.jpg"
    assert label_file(tmp_path / "yolo/images/train/deep/b.jpg").is_file()


def test_images_that_lie_in_the_output_stay_there(hard_set, tmp_path):
    home = tmp_path / "yolo" / "images" / "mine"
    home.parent.mkdir(parents=True)
    hard_set.image_root.rename(home)
    object.__setattr__(hard_set, "image_root", home)
    write_yolo(hard_set, tmp_path / "yolo")
    assert not home.is_symlink() and (tmp_path / "yolo/labels/mine/a.txt").is_file()
    assert (tmp_path / "yolo/train.txt").read_text().startswith("./images/mine/a.png")


def test_splits_are_added_one_by_one(hard_set, tmp_path):
    output = tmp_path / "yolo"
    write_yolo(hard_set, output)
    write_yolo(hard_set, output, "val")
    data = yaml.safe_load((output / "data.yaml").read_text())
    assert data == {"train": "train.txt", "val": "val.txt", "names": {0: "screw", 1: "nut"}}
    with pytest.raises(DatasetError, match="exists already and has a split 'val'"):
        write_yolo(hard_set, output, "val")
    hard_set.categories[0]["name"] = "bolt"
    with pytest.raises(DatasetError, match="has the classes screw, nut, but those to be written are screw, bolt"):
        write_yolo(hard_set, output, "test")


def test_a_data_file_of_others_is_not_touched(hard_set, tmp_path):
    (tmp_path / "data.yaml").write_text("names: [screw, nut]\n")
    with pytest.raises(DatasetError, match="data.yaml exists already, and this tool has not written it"):
        write_yolo(hard_set, tmp_path)
    assert not (tmp_path / "labels").exists()
    with pytest.raises(DatasetError, match="split should be train, val, test, but is 'all'"):
        write_yolo(hard_set, tmp_path / "new", "all")


def test_a_folder_called_images_inside_is_refused(hard_set, tmp_path, photo):
    photo(hard_set.image_root / "images" / "c.png")
    hard_set.images[0]["file_name"] = "images/c.png"
    with pytest.raises(DatasetError, match="by which YOLO would look for its labels elsewhere"):
        write_yolo(hard_set, tmp_path / "yolo")


def test_crowds_and_missing_masks_are_counted(hard_set, tmp_path):
    hard_set.annotations[0]["iscrowd"] = 1
    hard_set.annotations[1]["segmentation"] = []
    hard_set.annotations[3]["segmentation"] = {"size": [6, 8], "counts": [48]}
    assert write_yolo(hard_set, tmp_path / "yolo").counts == {
        "crowd region, which YOLO does not know": 1,
        "annotation without a mask": 1,
        "annotation whose mask is empty": 1,
    }


def test_a_line_by_hand(yolo_set):
    conversion = read_yolo(yolo_set(f"1 {SQUARE}"))
    (row,) = conversion.coco["annotations"]
    assert row["segmentation"] == [[2, 0, 6, 0, 6, 3, 2, 3]]
    assert (row["bbox"], row["area"], row["category_id"]) == ([2, 0, 4, 3], 12, 2)
    assert conversion.coco["images"][0]["file_name"] == "train/a.png"
    assert [row["id"] for row in conversion.coco["categories"]] == [1, 2]


def test_a_hole_by_hand(yolo_set):
    # the whole image, a seam to (2, 2), round the pixels of rows 2 and 3 and columns 2 to 5, and back
    line = "0  0 0  0.25 0.333333  0.25 0.666667  0.75 0.666667  0.75 0.333333  0.25 0.333333  0 0  1 0  1 1  0 1"
    (row,) = read_yolo(yolo_set(line)).coco["annotations"]
    assert row["area"] == 48 - 8
    assert np.argwhere(~decode(row["segmentation"], 6, 8))[[0, -1]].tolist() == [[2, 2], [3, 5]]


def test_names_as_a_mapping_and_classes_chosen_in_another_order(yolo_set):
    folder = yolo_set(f"7 {SQUARE}", f"2 {SQUARE}", f"5 {SQUARE}", data="names: {2: nut, 7: screw}\n")
    conversion = read_yolo(folder, classes=["screw", "nut"])
    assert [row["category_id"] for row in conversion.coco["annotations"]] == [1, 2]
    assert conversion.left_out.counts == {"object of class 5, which has no name": 1}


def test_without_data_file_the_classes_name_the_numbers(yolo_set):
    folder = yolo_set(f"1 {SQUARE}", data="")
    assert read_yolo(folder, classes=["screw", "nut"]).coco["annotations"][0]["category_id"] == 2
    with pytest.raises(DatasetError, match="has no data.yaml, so that the names of the classes are unknown"):
        read_yolo(folder)


def test_boxes_are_counted_and_empty_files_are_images_without_objects(yolo_set, photo):
    folder = yolo_set("0 0.5 0.5 0.2 0.2", "", f"1 {SQUARE}")
    photo(folder / "images" / "train" / "empty.png")
    (folder / "labels" / "train" / "empty.txt").write_text("")
    photo(folder / "images" / "train" / "unlabelled.png")
    conversion = read_yolo(folder)
    assert conversion.left_out.counts == {"box without a mask (a class and 4 numbers)": 1}
    assert [row["category_id"] for row in conversion.coco["annotations"]] == [2]
    assert (len(conversion.coco["images"]), conversion.unannotated) == (3, 1)
    assert len(read_yolo(folder, annotated_only=True).coco["images"]) == 2


def test_a_set_of_boxes_only_is_named_as_such(yolo_set):
    with pytest.raises(
        DatasetError, match=r"is a set of boxes: each of its objects \(2\) .* none has a mask, which training needs"
    ):
        read_yolo(yolo_set("0 0.5 0.5 0.2 0.2", "1 0.5 0.5 0.2 0.2", ""))
    # a polygon of another class is a set for segmentation
    assert read_yolo(yolo_set("0 0.5 0.5 0.2 0.2", f"5 {SQUARE}")).left_out.counts == {
        "box without a mask (a class and 4 numbers)": 1,
        "object of class 5, which has no name": 1,
    }


@pytest.mark.parametrize(
    ("written", "names"),
    [
        ("[no, yes]", ["no", "yes"]),
        ("[on, off]", ["on", "off"]),
        ("[y, N, True, FALSE]", ["y", "N", "True", "FALSE"]),
        ("[null, ~]", ["null", "~"]),
        ("[007, 1e3, 0x1F, 1_000, 12:30:00, 2024-01-01]", ["007", "1e3", "0x1F", "1_000", "12:30:00", "2024-01-01"]),
        ("{'0': cell, '1': dirt}", ["cell", "dirt"]),
        ('{"0": cell, 1: dirt}', ["cell", "dirt"]),
        ("{1: no, 0: yes}", ["yes", "no"]),
        ("{10: b, 2: a}", ["a", "b"]),
    ],
)
def test_names_stay_the_text_that_was_written(yolo_set, written, names):
    folder = yolo_set(f"0 {SQUARE}", data=f"names: {written}\n")
    assert [row["name"] for row in read_yolo(folder).coco["categories"]] == names


def test_names_that_yaml_takes_for_values_come_back(hard_set, tmp_path):
    hard_set.categories[0]["name"], hard_set.categories[1]["name"] = "no", "1"
    write_yolo(hard_set, tmp_path / "yolo")
    write_yolo(hard_set, tmp_path / "yolo", "val")
    names = [row["name"] for row in read_yolo(tmp_path / "yolo").coco["categories"]]
    assert sorted(names) == ["1", "no"]


@pytest.mark.parametrize(
    "data",
    [
        "train: images\\train\n",
        "train: .\\images\\train\n",
        "train: ..\\images\\train\n",  # forgiven as with slashes
        "path: .\\\ntrain: images\\train\n",
        "train: [images\\train]\n",
        "train: lists\\train.txt\nval:\ntest: ~\n",
        "train: 'images\\train\\a.png'\n",
    ],
)
def test_paths_with_backslashes(yolo_set, data):
    folder = yolo_set(f"0 {SQUARE}", data=data + "names: [screw]\n")
    (folder / "lists").mkdir()
    (folder / "lists" / "train.txt").write_text("..\\images\\train\\a.png\n")
    assert len(read_yolo(folder, split="train").coco["annotations"]) == 1
    with pytest.raises(DatasetError, match="'test' is not in data.yaml; it has train"):
        read_yolo(folder, split="test")


@pytest.mark.parametrize("place", ["classes.txt", "labels/classes.txt", "obj.names"])
def test_a_class_list_instead_of_a_data_file(yolo_set, place):
    folder = yolo_set(f"1 {SQUARE}", data="")
    (folder / place).write_text("no\n\ncell nucleus\n")
    conversion = read_yolo(folder)
    assert [row["name"] for row in conversion.coco["categories"]] == ["no", "cell nucleus"]
    assert conversion.coco["annotations"][0]["category_id"] == 2
    assert read_yolo(folder, classes=["cell nucleus"]).coco["annotations"][0]["category_id"] == 1


def test_without_names_it_is_said_what_gives_them(yolo_set):
    with pytest.raises(
        DatasetError, match="has no data.yaml, .* --classes name,name,..., or a name a line in classes.txt"
    ):
        read_yolo(yolo_set(f"0 {SQUARE}", data=""))


def test_labels_in_another_folder(yolo_set, tmp_path):
    folder = yolo_set(f"0 {SQUARE}")
    (folder / "labels").rename(folder / "drawn")
    with pytest.raises(DatasetError, match="would be .*labels.train.a.txt: name the folder of .* with --labels"):
        read_yolo(folder)
    assert len(read_yolo(folder, labels=folder / "drawn").coco["annotations"]) == 1
    below = read_yolo(folder, folder / "images" / "train", labels=str(folder / "drawn" / "train"))
    assert below.coco["images"][0]["file_name"] == "a.png" and len(below.coco["annotations"]) == 1


def test_the_splits_that_training_still_wants(hard_set, tmp_path):
    wanted = []
    for split in ("test", "train", "val"):
        write_yolo(hard_set, tmp_path / "yolo", split)
        wanted.append(splits_wanted(tmp_path / "yolo"))
    assert wanted == [["train", "val"], ["val"], []]


@pytest.mark.parametrize(
    "entry", ["images/train", "../images/train", "lists/train.txt", "[images/train, lists/train.txt]"]
)
def test_splits_are_folders_lists_or_several_of_them(yolo_set, photo, entry):
    folder = yolo_set(f"0 {SQUARE}", data=f"names: [screw]\ntrain: {entry}\n")
    photo(folder / "images" / "val" / "other.png")
    (folder / "lists").mkdir()
    (folder / "lists" / "train.txt").write_text("../images/train/a.png\n")
    coco = read_yolo(folder, split="train").coco
    assert [row["file_name"] for row in coco["images"]] == ["train/a.png"]
    with pytest.raises(DatasetError, match="The split 'val' is not in data.yaml; it has train"):
        read_yolo(folder, split="val")


def test_the_last_folder_called_images_counts(tmp_path):
    assert label_file(tmp_path / "images/x/images/b/c.png") == tmp_path / "images/x/labels/b/c.txt"
    assert label_file(tmp_path / "photos/c.png") == tmp_path / "photos/c.txt"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("0 0.1 0.2 x", "a.txt, line 2 should hold numbers only"),
        ("0 0.1 0.2 nan 0.3 0.1 0.1", "a.txt, line 2 holds a number that is not finite"),
        ("0 0.1 0.2 0.3", "line 2 should be a class and at least 3 pairs x y, but has 4 numbers"),
        ("0 0.1 0.2 0.3 0.1 0.2 0.3 4", "line 2 should be a class and at least 3 pairs x y, but has 8 numbers"),
        ("0 -0.03 0.1 0.5 0.1 0.3 0.6", "line 2 has a coordinate of -0.03, but"),
        ("0 0.1 0.1 0.5 1.02 0.3 0.6", "line 2 has a coordinate of 1.02, but"),
        ("0 10 20 30 20 30 40", "line 2 has a coordinate of 40, but all should lie between 0 and 1"),
    ],
)
def test_a_wrong_line_is_named_with_its_file(yolo_set, line, words):
    conversion = read_yolo(yolo_set(f"0 {SQUARE}", line))
    assert len(conversion.coco["annotations"]) == 1 and conversion.left_out.counts == {OBJECT: 1}
    assert words in conversion.report()
    with pytest.raises(DatasetError, match=f"{words}.*; 1 more cannot be used either"):
        read_yolo(yolo_set("", line, line))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("names: [a, a]\n", "one name for several classes"),
        ("nc: 2\n", "should have 'names', a list or a mapping"),
        ("names: [a, null: b]\n", "should have a text for each class"),
        ("names: [a, '']\n", "should have a text for each class"),
        ("names: {a: b}\n", "should have 'names', a list or a mapping"),
        ("names: {0: a, '00': b}\n", "or one number twice"),
        ("- a\n", "should hold the keys names"),
        ("names: !!python/object/apply:os.getcwd []\n", "is not plain YAML"),
        ("names: [a]\ntrain: nowhere\n", "nowhere, the split 'train' of data.yaml, does not exist"),
    ],
)
def test_a_wrong_data_file(yolo_set, data, words):
    with pytest.raises(DatasetError, match=words):
        read_yolo(yolo_set(f"0 {SQUARE}", data=data), split="train")


def test_no_label_file_at_all(yolo_set):
    folder = yolo_set()
    (folder / "labels/train/a.txt").unlink()
    with pytest.raises(DatasetError, match="None of the 1 images .* has a label file; the one of .*a.png would be .*"):
        read_yolo(folder)


def test_a_turned_photo_is_measured_upright(yolo_set, photo):
    folder = yolo_set(f"0 {SQUARE}")
    photo(folder / "images/train/a.png", 6, 8, orientation=8)
    coco = read_yolo(folder).coco
    assert (coco["images"][0]["height"], coco["images"][0]["width"]) == (8, 6)
    assert coco["annotations"][0]["bbox"] == [1.5, 0, 3, 4]
    assert json.dumps(coco)  # nothing in it that JSON cannot hold


def test_a_confidence_behind_a_polygon(yolo_set):
    conversion = read_yolo(yolo_set(f"1 {SQUARE} 0.87", f"0 {SQUARE} 1", f"0 {SQUARE}"))
    assert [(row["category_id"], row["area"]) for row in conversion.coco["annotations"]] == [(2, 12), (1, 12), (1, 12)]
    assert conversion.left_out.counts == {"confidence behind a polygon, which COCO's annotations do not have": 2}


@pytest.mark.parametrize("shape", ["[17, 2]", "[17, 3]"])
def test_a_set_of_key_points_is_refused(yolo_set, shape):
    folder = yolo_set(f"0 {SQUARE}", data=f"names: [person]\nkpt_shape: {shape}\n")
    with pytest.raises(DatasetError, match="data.yaml has 'kpt_shape', so that this is a set of key points"):
        read_yolo(folder)


def test_classes_stand_in_for_names_that_are_missing(yolo_set):
    folder = yolo_set(f"1 {SQUARE}", data="nc: 2\n")
    assert read_yolo(folder, classes=["screw", "nut"]).coco["annotations"][0]["category_id"] == 2
    with pytest.raises(DatasetError, match="data.yaml should have 'names', .* or give them with --classes"):
        read_yolo(folder)


def test_images_that_cannot_be_used_cost_themselves(yolo_set, photo):
    folder = yolo_set(f"0 {SQUARE}", data="names: [screw]\ntrain: train.txt\n")
    for name in ("b", "c", "d"):
        photo(folder / "images" / "train" / f"{name}.png")
        (folder / "labels" / "train" / f"{name}.txt").write_text(f"0 {SQUARE}\n")
    (folder / "images" / "train" / "b.png").write_bytes(b"junk")
    (folder / "labels" / "train" / "c.txt").write_bytes(b"0 \xe4\n")
    (folder / "labels" / "train" / "d.txt").write_text("0 1 2 3\n")
    (folder / "train.txt").write_text("".join(f"./images/train/{name}.png\n" for name in "abcdz"))
    conversion = read_yolo(folder, split="train")
    assert [row["file_name"] for row in conversion.coco["images"]] == ["train/a.png"]
    assert conversion.left_out.counts == {IMAGE: 3, OBJECT: 1, "image none of whose objects can be converted": 1}
    for words in ("b.png cannot be read", "c.txt is not UTF-8 text (byte 2): save it as UTF-8", "z.png is not in the"):
        assert words in conversion.report()
    (folder / "train.txt").write_text("./images/train/y.png\n./images/train/z.png\n")
    with pytest.raises(DatasetError, match=r"y.png is not in the image folder .*; 1 more"):
        read_yolo(folder, split="train")
