"""Every test sees ``detectron2`` as a user of the plugin does: provided by importing ``maskrcnn_project``."""

import logging

import pytest

import maskrcnn_project  # noqa: F401
from maskrcnn_project.errors import bound_spinning

bound_spinning()  # before any test loads torch


@pytest.fixture(autouse=True)
def loggers_as_before():
    """A test that sets up logging, as every training does, leaves the next one's output alone."""
    loggers = [logging.getLogger(name) for name in ("detectron2", "fvcore", "maskrcnn_project")]
    before = [(log, log.handlers[:], log.level, log.propagate) for log in loggers]
    yield
    for log, handlers, level, propagate in before:
        log.handlers[:], log.propagate = handlers, propagate
        log.setLevel(level)


@pytest.fixture
def catalogs_as_before():
    """What a test registers in Detectron2's two catalogs is gone after it."""
    from detectron2.data import DatasetCatalog, MetadataCatalog

    before = set(DatasetCatalog.list()), set(MetadataCatalog.list())
    yield
    for catalog, names in zip((DatasetCatalog, MetadataCatalog), before, strict=True):
        for name in set(catalog.list()) - names:
            catalog.remove(name)
