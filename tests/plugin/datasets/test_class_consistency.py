"""Sets of different origins, compared by what the catalog knows of them."""

import json

import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog

from maskrcnn_project.datasets.class_consistency import check_sets_agree, registered_classes
from maskrcnn_project.datasets.register import ClassChanges, register_coco_dataset, register_shapes
from maskrcnn_project.datasets.shapes.shapes import ShapesOptions
from maskrcnn_project.errors import DatasetError

pytestmark = pytest.mark.usefixtures("own_catalogs")


@pytest.fixture
def ours(tmp_path):
    """Registers a file with the given classes; it holds no more than the categories need, and cannot be loaded."""

    def register(name, categories, **changes):
        file = tmp_path / f"{name}.json"
        table = [{"id": number, "name": text} for number, text in categories.items()]
        file.write_text(json.dumps({"categories": table}))
        register_coco_dataset(name, file, tmp_path, class_changes=ClassChanges(**changes))

    return register


def foreign(name, load=lambda: pytest.fail("it need not be loaded"), **metadata):
    """A set of another project."""
    DatasetCatalog.register(name, load)
    MetadataCatalog.get(name).set(**metadata)


def test_classes_of_a_set_that_is_not_loaded(ours):
    ours("mine", {7: "nut", 3: "screw"})
    assert registered_classes("mine") == ["screw", "nut"]  # by ascending id
    foreign("theirs", thing_classes=["a"])
    assert registered_classes("theirs") == ["a"]


def test_a_set_that_knows_its_classes_only_once_loaded():
    def load():
        MetadataCatalog.get("late").thing_classes = ["a", "b"]
        return []

    foreign("late", load)
    assert registered_classes("late") == ["a", "b"]
    foreign("nameless", list)
    with pytest.raises(DatasetError, match="'nameless' has no class names: set MetadataCatalog.get.'nameless'.*"):
        registered_classes("nameless")
    with pytest.raises(KeyError, match="nowhere"):
        registered_classes("nowhere")
    assert "nowhere" not in MetadataCatalog.list()


def test_a_set_that_is_drawn_on_first_use(tmp_path, monkeypatch):
    from maskrcnn_project.datasets.shapes import shapes

    write = shapes.write_shapes
    small = ShapesOptions(train=3, val=2, size=64)
    monkeypatch.setattr(shapes, "write_shapes", lambda root, options, **how: write(root, small, **how))
    names = register_shapes(tmp_path / "shapes")
    assert registered_classes(names[0]) == ["circle", "rectangle", "triangle"]
    assert not (tmp_path / "shapes").exists()
    check_sets_agree(names)  # the ids are in the file


def test_sets_that_agree(ours):
    ours("a", {1: "nut", 2: "screw"})
    ours("b", {2: "screw", 1: "nut"})  # the outputs are numbered by id, whatever the order of the rows
    foreign("c", thing_classes=["nut", "screw"], thing_dataset_id_to_contiguous_id={2: 1, 1: 0})
    foreign("d", thing_classes=["nut", "screw"])  # no ids: names and order are compared
    foreign("e", list)  # nothing to compare
    check_sets_agree(["a", "b", "c", "d", "e", "a"])
    check_sets_agree([])
    check_sets_agree(["e", "a"])


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        ({1: "nut"}, "id 2 is 'screw' in a and nothing in b"),
        ({1: "screw", 2: "nut"}, "id 1 is 'nut' in a and 'screw' in b; id 2 is 'screw' in a and 'nut' in b"),
        ({1: "nut", 5: "screw"}, "id 2 is 'screw' in a and nothing in b; id 5 is nothing in a and 'screw' in b"),
    ],
)
def test_sets_that_differ(ours, other, sentence):
    ours("a", {1: "nut", 2: "screw"})
    ours("b", other)
    with pytest.raises(
        DatasetError, match=f"classes of the datasets 'a' and 'b' differ, but one model .*: {sentence}[.]"
    ):
        check_sets_agree(["a", "b"])


def test_a_difference_without_ids(ours):
    ours("a", {1: "nut", 2: "screw"})
    foreign("b", thing_classes=["screw", "nut"])
    with pytest.raises(DatasetError, match="id 0 is 'nut' in a and 'screw' in b"):
        check_sets_agree(["a", "b"])
