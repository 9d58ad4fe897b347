"""The catalogs: names that exist are listed in errors, metadata is set once."""

import copy
import logging
import pickle

import numpy as np
import pytest
from detectron2.data import DatasetCatalog, Metadata, MetadataCatalog


@pytest.fixture
def name():
    """A name that no other test uses; forgotten afterwards."""
    yield "catalog_test"
    DatasetCatalog.pop("catalog_test", None)
    MetadataCatalog.pop("catalog_test", None)


def test_registered_function_is_called_at_each_get(name):
    calls = []
    DatasetCatalog.register(name, lambda: calls.append(1) or [{"image_id": 7}])
    assert calls == []  # registering loads nothing
    assert DatasetCatalog.get(name) == [{"image_id": 7}]
    DatasetCatalog.get(name)
    assert len(calls) == 2
    assert name in DatasetCatalog.list()
    assert name in DatasetCatalog


def test_name_can_be_registered_once(name):
    DatasetCatalog.register(name, list)
    with pytest.raises(AssertionError, match=f"Dataset '{name}' is already registered: .*remove"):
        DatasetCatalog.register(name, list)
    DatasetCatalog.remove(name)
    DatasetCatalog.register(name, tuple)
    assert DatasetCatalog.get(name) == ()


def test_unknown_name_lists_those_that_exist(name):
    DatasetCatalog.register(name, list)
    with pytest.raises(KeyError) as error:
        DatasetCatalog.get("typo")
    assert str(error.value).startswith("Dataset 'typo' is not registered. Names that are: ")
    assert name in str(error.value)
    with pytest.raises(KeyError, match="cannot be removed"):
        DatasetCatalog.remove("typo")
    with pytest.raises(KeyError, match="no metadata"):
        MetadataCatalog.remove("typo")


def test_a_list_is_not_a_function(name):
    with pytest.raises(TypeError, match="needs a function .* but got list"):
        DatasetCatalog.register(name, [{}])


def test_metadata_is_one_object_for_a_name_and_chains(name):
    metadata = MetadataCatalog.get(name).set(thing_classes=["a", "b"], evaluator_type="coco")
    assert metadata is MetadataCatalog.get(name)
    assert metadata.name == name
    assert metadata.as_dict() == {"name": name, "thing_classes": ["a", "b"], "evaluator_type": "coco"}
    assert metadata.get("thing_colors") is None
    assert metadata.get("thing_colors", 3) == 3
    assert metadata.get("thing_classes") == ["a", "b"]


def test_metadata_is_set_once(name):
    metadata = MetadataCatalog.get(name)
    metadata.thing_classes = ["a"]
    metadata.thing_classes = ["a"]  # an equal value is allowed
    with pytest.raises(AssertionError, match=r"'thing_classes' of dataset 'catalog_test' is already set to \['a'\]"):
        metadata.thing_classes = ["b"]
    assert metadata.thing_classes == ["a"]
    metadata.colours = np.eye(2)
    metadata.colours = np.eye(2)
    with pytest.raises(AssertionError, match="already set"):
        metadata.colours = np.ones((2, 2))


def test_missing_metadata_lists_what_there_is(name):
    metadata = MetadataCatalog.get(name).set(thing_classes=["a"])
    with pytest.raises(AttributeError, match="'catalog_test' has no 'stuff'. It has: name, thing_classes"):
        _ = metadata.stuff
    assert not hasattr(metadata, "stuff")


def test_old_names_lead_to_the_new_ones(name, caplog):
    metadata = MetadataCatalog.get(name)
    with caplog.at_level(logging.WARNING, logger="detectron2"):
        metadata.class_names = ["a"]
    assert metadata.thing_classes == ["a"]
    assert metadata.class_names == ["a"]
    assert metadata.get("class_names") == ["a"]
    assert "now called 'thing_classes'" in caplog.text


def test_metadata_can_be_copied_and_pickled():
    metadata = Metadata(name="x", thing_classes=["a"])
    assert pickle.loads(pickle.dumps(metadata)).thing_classes == ["a"]
    assert copy.deepcopy(metadata).as_dict() == metadata.as_dict()


def test_empty_name_is_refused():
    with pytest.raises(ValueError, match="needs a dataset's name"):
        MetadataCatalog.get("")
