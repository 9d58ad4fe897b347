import pytest
import torch

from maskrcnn_project.modeling.class_table import ClassMismatchError, ClassTable

PETS = ClassTable(("cat", "dog"), (3, 17))


def test_round_trip_through_a_checkpoint(tmp_path):
    torch.save({"model": {}, "classes": PETS.state_dict()}, tmp_path / "m.pth")
    assert ClassTable.from_checkpoint(tmp_path / "m.pth") == PETS


def test_weights_without_a_table(tmp_path):
    torch.save({"model": {}}, tmp_path / "m.pth")
    assert ClassTable.from_checkpoint(tmp_path / "m.pth") is None
    assert ClassTable.from_checkpoint(tmp_path / "R-50.pkl") is None


def test_other_classes_are_refused_with_the_difference():
    with pytest.raises(ClassMismatchError, match="output 1 is 'dog' there and 'horse' here"):
        PETS.require_same(ClassTable(("cat", "horse"), (3, 17)), "The weights", "the data set")
    with pytest.raises(ClassMismatchError, match=r"know 2 classes \(cat, dog\), but the data set has 1 class \(cat\)"):
        ClassTable(("cat",), (3,)).load_state_dict(PETS.state_dict())


def test_same_names_under_other_ids_are_the_same_classes():
    PETS.require_same(ClassTable(("cat", "dog"), (1, 2)), "The weights", "the data set")
