"""The colours that descriptions give to the classes of a model."""

from maskrcnn_project.datasets.description import colours_of_classes

TEXT = """
name: mine
splits: {train: {json: a.json, images: a}}
colours: {cell: "#ff0010", dirt: "#00ff20"}
"""


def test_colours_are_in_the_order_of_the_classes(tmp_path):
    (tmp_path / "mine.yaml").write_text(TEXT)
    assert colours_of_classes([tmp_path / "mine.yaml"], ("dirt", "cell")) == [(0, 255, 32), (255, 0, 16)]


def test_none_where_a_class_has_none_or_the_description_has_gone(tmp_path):
    (tmp_path / "mine.yaml").write_text(TEXT)
    (tmp_path / "broken.yaml").write_text("name: [")
    assert colours_of_classes([tmp_path / "mine.yaml"], ("dirt", "stone")) is None
    assert colours_of_classes([tmp_path / "gone.yaml", tmp_path / "broken.yaml"], ("dirt",)) is None
    assert colours_of_classes([], ("dirt",)) is None
    files = [tmp_path / "gone.yaml", tmp_path / "mine.yaml"]
    assert colours_of_classes(files, ("dirt",)) == [(0, 255, 32)]
