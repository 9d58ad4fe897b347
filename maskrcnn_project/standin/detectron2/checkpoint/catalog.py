"""``catalog://NAME``: the models of the first Detectron (Caffe2) and its ImageNet backbones, by name."""

from __future__ import annotations

from typing import IO, Any

from detectron2.utils.file_io import PathHandler, PathManager

# Public storage of Detectron's models; names and paths are those of its MODEL_ZOO.md.
STORAGE = "https://dl.fbaipublicfiles.com/detectron"

IMAGENET_BACKBONES = {
    "MSRA/R-50": "MSRA/R-50.pkl",
    "MSRA/R-101": "MSRA/R-101.pkl",
    "FAIR/R-50-GN": "47261647/R-50-GN.pkl",
    "FAIR/R-101-GN": "47592356/R-101-GN.pkl",
    "FAIR/X-101-32x8d": "20171220/X-101-32x8d.pkl",
    "FAIR/X-101-64x4d": "FBResNeXt/X-101-64x4d.pkl",
    "FAIR/X-152-32x8d-IN5k": "25093814/X-152-32x8d-IN5k.pkl",
}

_BASELINES_2017 = "{}/12_2017_baselines/{}.yaml.{}"
# (run, config) -> time stamp and hash in the storage path
_DETECTRON_RUNS = {
    ("35857197", "e2e_faster_rcnn_R-50-C4_1x"): "01_33_49.iAX0mXvW",
    ("35857345", "e2e_faster_rcnn_R-50-FPN_1x"): "01_36_30.cUF7QR7I",
    ("35857890", "e2e_faster_rcnn_R-101-FPN_1x"): "01_38_50.sNxI7sX7",
    ("36761737", "e2e_faster_rcnn_X-101-32x8d-FPN_1x"): "06_31_39.5MIHi1fZ",
    ("35858791", "e2e_mask_rcnn_R-50-C4_1x"): "01_45_57.ZgkA7hPB",
    ("35858933", "e2e_mask_rcnn_R-50-FPN_1x"): "01_48_14.DzEQe4wC",
    ("35861795", "e2e_mask_rcnn_R-101-FPN_1x"): "02_31_37.KqyEK4tT",
    ("36761843", "e2e_mask_rcnn_X-101-32x8d-FPN_1x"): "06_35_59.RZotkLKI",
}
COCO_BASELINES = {
    f"{run}/{name}": _BASELINES_2017.format(run, name, stamp) for (run, name), stamp in _DETECTRON_RUNS.items()
}
# Colons inside the file name are stored percent-encoded.
_TRAINED_ON = "output/train/coco_2014_train%3Acoco_2014_valminusminival/generalized_rcnn/model_final.pkl"


class ModelCatalog:
    """Names of known models -> where they are stored."""

    PREFIX_IMAGENET = "ImageNetPretrained/"
    PREFIX_COCO = "Caffe2Detectron/COCO/"

    @staticmethod
    def get(name: str) -> str:
        """
        The URL of a model, e.g. ``ImageNetPretrained/MSRA/R-50`` or
        ``Caffe2Detectron/COCO/35858933/e2e_mask_rcnn_R-50-FPN_1x``.

        Raises:
            RuntimeError: an unknown name; the known ones are listed.
        """
        for prefix, models, path in (
            (ModelCatalog.PREFIX_IMAGENET, IMAGENET_BACKBONES, "{}/ImageNetPretrained/{}"),
            (ModelCatalog.PREFIX_COCO, COCO_BASELINES, "{}/{}/" + _TRAINED_ON),
        ):
            if name.startswith(prefix) and name[len(prefix) :] in models:
                return path.format(STORAGE, models[name[len(prefix) :]])
        known = [ModelCatalog.PREFIX_IMAGENET + key for key in IMAGENET_BACKBONES]
        known += [ModelCatalog.PREFIX_COCO + key for key in COCO_BASELINES]
        raise RuntimeError(f"The model catalog has no {name!r}; it has: {', '.join(known)}.")


class ModelCatalogHandler(PathHandler):
    """Makes ``catalog://NAME`` a path, downloaded once into the cache."""

    PREFIX = "catalog://"

    def _get_supported_prefixes(self) -> list[str]:
        return [self.PREFIX]

    def _get_local_path(self, path: str, force: bool = False, **kwargs: Any) -> str:
        url = ModelCatalog.get(path[len(self.PREFIX) :])
        return PathManager.get_local_path(url, force=force, **kwargs)

    def _open(self, path: str, mode: str = "r", buffering: int = -1, **kwargs: Any) -> IO[Any]:
        return PathManager.open(self._get_local_path(path), mode, buffering=buffering, **kwargs)


PathManager.register_handler(ModelCatalogHandler())
