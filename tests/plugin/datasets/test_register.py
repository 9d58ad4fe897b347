"""Datasets in Detectron2's catalogs, from arguments and from descriptions."""

import json
import os

import pytest
import yaml
from detectron2.data import DatasetCatalog, MetadataCatalog

from maskrcnn_project.datasets.coco_file import read_coco_file
from maskrcnn_project.datasets.description import read_description
from maskrcnn_project.datasets.register import (
    check_same_categories,
    class_names,
    register_coco_dataset,
    register_descriptions,
    register_from_yaml,
    register_shapes,
)
from maskrcnn_project.datasets.shapes.shapes import ShapesOptions, write_shapes
from maskrcnn_project.errors import DatasetError
from tests.places import ROOT as REPOSITORY

pytestmark = pytest.mark.usefixtures("own_catalogs")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "shapes"
    write_shapes(root, ShapesOptions(train=3, val=2, size=64))
    return root


def register_train(drawn, name="mine", **more):
    register_coco_dataset(name, drawn / "annotations" / "train.json", drawn / "train", **more)


def test_a_registered_set_is_loaded_by_detectron2(drawn):
    register_train(drawn, thing_colors=[(1, 2, 3), [4, 5, 6], (7, 8, 9)], extra_metadata={"licence": "CC0-1.0"})
    records = DatasetCatalog.get("mine")
    expected = json.loads((drawn / "annotations" / "train.json").read_text())
    assert [record["image_id"] for record in records] == [1, 2, 3]
    assert sum(len(record["annotations"]) for record in records) == len(expected["annotations"])
    assert {item["category_id"] for record in records for item in record["annotations"]} <= {0, 1, 2}
    assert records[0]["file_name"] == str(drawn / "train" / "000001.png")
    metadata = MetadataCatalog.get("mine")
    assert metadata.thing_classes == ["circle", "rectangle", "triangle"]
    assert metadata.thing_dataset_id_to_contiguous_id == {1: 0, 2: 1, 3: 2}
    assert metadata.thing_colors == [(1, 2, 3), (4, 5, 6), (7, 8, 9)]
    assert metadata.licence == "CC0-1.0"
    assert metadata.evaluator_type == "coco"
    assert metadata.json_file == str(drawn / "annotations" / "train.json")
    assert metadata.image_root == str(drawn / "train")


def test_equal_arguments_may_be_registered_again(drawn):
    for _ in range(2):
        register_train(drawn, extra_metadata={"licence": "CC0-1.0"})
        DatasetCatalog.get("mine")
    with pytest.raises(DatasetError, match="'mine' is registered already.*licence was 'CC0-1.0' and is now None"):
        register_train(drawn)
    with pytest.raises(DatasetError, match="image_root was .*train' and is now .*val'"):
        register_coco_dataset("mine", drawn / "annotations" / "train.json", drawn / "val")
    DatasetCatalog.register("foreign", list)
    with pytest.raises(DatasetError, match="it was not registered by this project"):
        register_train(drawn, "foreign")


def test_a_missing_file_or_folder_is_found_at_once(drawn):
    with pytest.raises(DatasetError, match="'mine' wants the COCO file .*none.json, which does not exist"):
        register_coco_dataset("mine", drawn / "none.json", drawn / "train")
    with pytest.raises(DatasetError, match="'mine' wants the image folder .*none, which does not exist"):
        register_coco_dataset("mine", drawn / "annotations" / "train.json", drawn / "none")
    assert "mine" not in DatasetCatalog.list()


def test_a_fault_in_the_file_is_said_when_it_is_loaded(drawn):
    register_coco_dataset("mine", drawn / "annotations" / "train.json", drawn / "val")
    with pytest.raises(DatasetError, match="1 of the 3 images .* are not in .*val: 000003.png"):
        DatasetCatalog.get("mine")


def test_classes_and_colours_have_to_be_those_of_the_file(drawn):
    with pytest.raises(DatasetError, match="should have the classes circle, triangle, rectangle, but .* circle, recta"):
        register_train(drawn, extra_metadata={"thing_classes": ["circle", "triangle", "rectangle"]})
    with pytest.raises(DatasetError, match="should have 1 colours, but .* has 3 classes"):
        register_train(drawn, thing_colors=[(1, 2, 3)])
    MetadataCatalog.get("mine").set(thing_classes=["ring"])  # by whomever
    with pytest.raises(DatasetError, match="should have the classes ring, but"):
        register_train(drawn)
    assert "mine" not in DatasetCatalog.list()


def test_the_classes_are_known_before_the_set_is_loaded(drawn):
    register_train(drawn)
    metadata = MetadataCatalog.get("mine")
    assert metadata.thing_classes == ["circle", "rectangle", "triangle"]
    assert metadata.thing_dataset_id_to_contiguous_id == {1: 0, 2: 1, 3: 2}


def test_class_names(drawn, tmp_path):
    assert class_names(drawn / "annotations" / "val.json") == ["circle", "rectangle", "triangle"]
    file = tmp_path / "set.json"
    file.write_text(json.dumps({"categories": [{"id": 9, "name": "b"}, {"id": 4, "name": "a"}]}))
    assert class_names(file) == ["a", "b"]
    file.write_text("{}")
    with pytest.raises(DatasetError, match="has no categories: it has no keys at all"):
        class_names(file)


def categories(*pairs):
    return {"categories": [{"id": number, "name": name} for number, name in pairs]}


def test_same_categories(drawn):
    train, val = (drawn / "annotations" / f"{split}.json" for split in ("train", "val"))
    check_same_categories(train, val)
    check_same_categories(read_coco_file(train), str(val))
    check_same_categories(categories((1, "a"), (2, "b")), categories((1, "a"), (2, "b")))


@pytest.mark.parametrize(
    ("val", "sentence"),
    [
        (categories((1, "a")), "id 2 is 'b' in train and nothing in val"),
        (categories((1, "a"), (2, "b"), (3, "c")), "id 3 is nothing in train and 'c' in val"),
        (
            categories((1, "b"), (2, "a")),
            "id 1 is 'a' in train and 'b' in val; id 2 is 'b' in train and 'a' in val",
        ),
        (categories((2, "b"), (1, "a")), r"the order of the ids is \[1, 2\] in train and \[2, 1\] in val"),
    ],
)
def test_other_categories_are_listed(val, sentence):
    with pytest.raises(DatasetError, match=sentence):
        check_same_categories(categories((1, "a"), (2, "b")), val)


def test_the_description_that_is_written_with_the_set(drawn):
    assert register_from_yaml(drawn / "dataset.yaml") == ["shapes_train", "shapes_val"]
    assert len(DatasetCatalog.get("shapes_val")) == 2
    metadata = MetadataCatalog.get("shapes_val")
    assert metadata.thing_colors == [(228, 87, 46), (46, 134, 171), (242, 177, 52)]
    assert metadata.licence == "CC0-1.0"


def test_a_description_of_the_least(drawn, tmp_path):
    """Absolute paths, no classes, no colours; and colours alone, whose order comes from the file."""
    splits = {"all": {"json": str(drawn / "annotations" / "val.json"), "images": str(drawn / "val")}}
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump({"name": "mine", "splits": splits}))
    assert register_descriptions([file]) == ["mine_all"]
    assert len(DatasetCatalog.get("mine_all")) == 2
    assert MetadataCatalog.get("mine_all").get("thing_colors") is None
    colours = {"triangle": "#030201", "circle": "#ffffff", "rectangle": "#000000"}
    file.write_text(yaml.safe_dump({"name": "other", "splits": splits, "colours": colours}))
    register_from_yaml(file)
    assert MetadataCatalog.get("other_all").thing_colors == [(255, 255, 255), (0, 0, 0), (3, 2, 1)]
    file.write_text(
        yaml.safe_dump({"name": "wrong", "splits": splits, "colours": {"circle": "#ffffff", "ring": "#000000"}})
    )
    with pytest.raises(DatasetError, match=r"lack \['rectangle', 'triangle'\] and have unknown \['ring'\]"):
        register_from_yaml(file)


def test_the_sample_set_is_drawn_on_first_use(tmp_path, monkeypatch):
    from maskrcnn_project.datasets.shapes import shapes as module

    (tmp_path / "shapes.yaml").write_text((REPOSITORY / "datasets" / "shapes.yaml").read_text("utf-8"))
    names = register_from_yaml(tmp_path / "shapes.yaml")
    assert MetadataCatalog.get("shapes_train").thing_classes == ["circle", "rectangle", "triangle"]
    assert os.listdir(tmp_path) == ["shapes.yaml"]
    write = module.write_shapes
    small = ShapesOptions(train=3, val=2, size=64)
    monkeypatch.setattr(module, "write_shapes", lambda root, options, **how: write(root, small, **how))
    assert [len(DatasetCatalog.get(name)) for name in names] == [3, 2]
    assert sorted(os.listdir(tmp_path)) == ["shapes", "shapes.yaml"]
    register_shapes(tmp_path / "shapes")  # the same arguments by another way
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))
    assert register_shapes() == names


def test_a_description_that_is_installed_draws_into_the_working_directory(tmp_path, monkeypatch):
    from maskrcnn_project.datasets import register as module

    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "shapes.yaml").write_text((REPOSITORY / "datasets" / "shapes.yaml").read_text("utf-8"))
    monkeypatch.setitem(module.INSTALLED_FOLDERS, "datasets", tmp_path / "package")
    monkeypatch.chdir(tmp_path)
    register_from_yaml(tmp_path / "package" / "shapes.yaml")
    assert MetadataCatalog.get("shapes_train").image_root == str(tmp_path / "datasets" / "shapes" / "train")


SPLITS = {"train": {"json": "a.json", "images": "a"}}


@pytest.mark.parametrize(
    ("description", "sentence"),
    [
        ("- a\n- b\n", "should hold the keys name and splits, but has no keys"),
        ("", "should hold the keys name and splits"),
        ("name: [\n", "is not plain YAML: .*line 2"),
        (
            "name: !!python/object/apply:os.getcwd []\n",
            "is not plain YAML: could not determine a constructor",
        ),
        ({"splits": SPLITS}, "has no 'name'"),
        ({"name": 5, "splits": SPLITS}, "'name' should be text, but is 5"),
        ({"name": "a"}, "'splits' should map names such as train and val to .* but is None"),
        ({"name": "a", "splits": {"train": "a.json"}}, "split 'train' should have the paths json and images"),
        (
            {"name": "a", "splits": {"train": {"json": "a.json"}}},
            "split 'train' should have the paths json and images",
        ),
        ({"name": "a", "splits": SPLITS, "colors": {}}, "unknown key colors; the keys are name, .*colours"),
        (
            {"name": "a", "splits": SPLITS, "classes": "nut"},
            "'classes' should be a list of names, but is 'nut'",
        ),
        (
            {"name": "a", "splits": SPLITS, "colours": {"nut": "red"}},
            'should map each class name to a "#rrggbb"',
        ),
        ({"name": "a", "splits": SPLITS, "licence": ["x"]}, "'licence' should be text"),
        (
            {"name": "a", "splits": SPLITS, "keep_classes": None},
            "'keep_classes' should be a list of names, but is empty",
        ),
        ({"name": "a", "splits": SPLITS, "keep_classes": "nut"}, "classes to keep should be a list of names"),
        ({"name": "a", "splits": SPLITS, "rename_classes": ["nut"]}, "classes to rename should map names to new names"),
        (
            {"name": "a", "splits": SPLITS, "merge_classes": {"a": "b"}},
            "classes to merge should map new names to lists",
        ),
        ({"name": "a", "splits": SPLITS, "keep_root_category": 1}, "keep_root_category should be true or false"),
    ],
)
def test_descriptions_are_checked(tmp_path, description, sentence):
    file = tmp_path / "dataset.yaml"
    file.write_text(description if isinstance(description, str) else yaml.safe_dump(description))
    with pytest.raises(DatasetError, match=sentence) as error:
        read_description(file)
    assert str(file) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_description(tmp_path):
    with pytest.raises(DatasetError, match="The dataset description .*none.yaml does not exist"):
        register_from_yaml(tmp_path / "none.yaml")
    with pytest.raises(FileNotFoundError, match="No file .*none.yaml"):
        register_descriptions([tmp_path / "none.yaml"])
