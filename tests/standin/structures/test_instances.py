"""A table of objects: fields of one length, chosen and joined together."""

import copy
import pickle

import pytest
import torch
from detectron2.structures import BitMasks, Boxes, Instances, PolygonMasks

TRIANGLE = [0.0, 0.0, 4.0, 0.0, 0.0, 4.0]


def three():
    return Instances(
        (20, 30),
        boxes=Boxes(torch.arange(12.0).reshape(3, 4)),
        scores=torch.tensor([0.1, 0.2, 0.3]),
        names=["a", "b", "c"],
        masks=PolygonMasks([[TRIANGLE]] * 3),
    )


def test_fields_are_attributes():
    instances = three()
    assert instances.image_size == (20, 30) and len(instances) == 3
    assert instances.has("scores") and not instances.has("classes")
    instances.classes = torch.zeros(3)
    assert instances.get("classes") is instances.classes and "classes" in instances.get_fields()
    instances.remove("classes")
    with pytest.raises(AttributeError, match="Cannot find field 'classes'.*boxes, scores, names, masks"):
        _ = instances.classes


def test_every_field_has_the_same_length():
    instances = three()
    with pytest.raises(AssertionError, match="length 2 to an Instances of length 3: 'classes'"):
        instances.classes = torch.zeros(2)
    instances.scores = torch.zeros(3)  # a field may be replaced


@pytest.mark.parametrize(
    "item, names",
    [
        (1, ["b"]),
        (-1, ["c"]),
        (slice(1, None), ["b", "c"]),
        (torch.tensor([True, False, True]), ["a", "c"]),
        (torch.tensor([2, 2, 0]), ["c", "c", "a"]),
        (torch.zeros(3, dtype=torch.bool), []),
    ],
)
def test_indexing_chooses_from_every_field(item, names):
    chosen = three()[item]
    assert chosen.names == names and chosen.image_size == (20, 30)
    assert len(chosen.boxes) == len(chosen.scores) == len(chosen.masks) == len(names)
    assert chosen.boxes.tensor[:, 0].tolist() == [{"a": 0, "b": 4, "c": 8}[name] for name in names]


def test_indices_out_of_range_and_iteration_are_refused():
    for index in (3, -4):
        with pytest.raises(IndexError, match="out of range for length 3"):
            three()[index]
    with pytest.raises(NotImplementedError, match="not iterable"):
        iter(three())
    with pytest.raises(NotImplementedError, match="Empty Instances does not support __len__"):
        len(Instances((2, 2)))


def test_cat_joins_tensors_lists_and_structures():
    joined = Instances.cat([three(), three()[:1]])
    assert joined.names == ["a", "b", "c", "a"] and len(joined.boxes) == len(joined.masks) == 4
    assert joined.scores.tolist() == pytest.approx([0.1, 0.2, 0.3, 0.1])
    single = three()
    assert Instances.cat([single]) is single


def test_cat_of_what_does_not_fit_is_named():
    with pytest.raises(AssertionError, match=r"one image size for all, but got \(20, 30\) and \(1, 1\)"):
        Instances.cat([three(), Instances((1, 1), scores=torch.zeros(0))])
    with pytest.raises(AssertionError, match="at least one Instances"):
        Instances.cat([])
    words = Instances((1, 1), word="abc")
    with pytest.raises(ValueError, match="cannot join the field 'word': str"):
        Instances.cat([words, words])


def test_to_moves_what_can_be_moved():
    moved = three().to(torch.float64)
    assert moved.scores.dtype == torch.float64 and moved.names == ["a", "b", "c"]
    assert three().to("cpu").boxes.device.type == "cpu"


def test_no_objects_are_a_normal_table():
    none = Instances((4, 5), boxes=Boxes(torch.zeros(0, 4)), masks=BitMasks(torch.zeros(0, 4, 5)))
    assert len(none) == 0 and len(none[torch.zeros(0, dtype=torch.int64)].masks) == 0
    assert len(Instances.cat([none, none])) == 0


def test_copies_and_pickles():
    for other in (copy.copy(three()), copy.deepcopy(three()), pickle.loads(pickle.dumps(three()))):
        assert other.names == ["a", "b", "c"] and other.image_size == (20, 30)


def test_repr_tells_number_size_and_fields():
    text = repr(three()[:1].to("cpu"))
    assert text.startswith("Instances(num_instances=1, image_height=20, image_width=30, fields=[boxes: Boxes(")
    assert "names: ['a']" in text
    assert "num_instances=0" in repr(Instances((1, 2)))
