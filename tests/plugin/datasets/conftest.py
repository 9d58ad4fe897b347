"""What the tests of registered sets share."""

import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog


@pytest.fixture
def own_catalogs(tmp_path, monkeypatch):
    """A cache of its own, and both catalogs left as they were."""
    monkeypatch.setenv("MASKRCNN_CACHE", str(tmp_path / "cache"))
    before = set(DatasetCatalog.list()), set(MetadataCatalog.list())
    yield
    for catalog, names in zip((DatasetCatalog, MetadataCatalog), before, strict=True):
        for name in set(catalog.list()) - names:
            catalog.remove(name)
