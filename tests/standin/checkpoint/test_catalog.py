"""Names of the catalog."""

import pytest
from detectron2.checkpoint.catalog import ModelCatalog
from detectron2.utils.file_io import PathManager

STORAGE = "https://dl.fbaipublicfiles.com/detectron"


@pytest.mark.parametrize(
    "name, path",
    [
        ("ImageNetPretrained/MSRA/R-50", "ImageNetPretrained/MSRA/R-50.pkl"),
        ("ImageNetPretrained/FAIR/X-101-32x8d", "ImageNetPretrained/20171220/X-101-32x8d.pkl"),
        (
            "Caffe2Detectron/COCO/35858933/e2e_mask_rcnn_R-50-FPN_1x",
            "35858933/12_2017_baselines/e2e_mask_rcnn_R-50-FPN_1x.yaml.01_48_14.DzEQe4wC/output/train/"
            "coco_2014_train%3Acoco_2014_valminusminival/generalized_rcnn/model_final.pkl",
        ),
    ],
)
def test_known_names(name, path):
    assert ModelCatalog.get(name) == f"{STORAGE}/{path}"


def test_unknown_names_list_the_known():
    with pytest.raises(RuntimeError, match="no 'ImageNetPretrained/R-51'; it has: ImageNetPretrained/MSRA/R-50,"):
        ModelCatalog.get("ImageNetPretrained/R-51")


def test_catalog_paths_are_handled(monkeypatch):
    from detectron2.checkpoint import catalog

    seen = []
    monkeypatch.setattr(catalog.ModelCatalog, "get", lambda name: seen.append(name) or "/plain/file.pkl")
    assert PathManager.get_local_path("catalog://ImageNetPretrained/MSRA/R-50") == "/plain/file.pkl"
    assert seen == ["ImageNetPretrained/MSRA/R-50"]
