"""The colourful set, once with polygons and once with run lengths."""

import pytest

from tests.plugin.training.augmentation.colourful import colourful_records


@pytest.fixture(scope="session")
def polygon_records(tmp_path_factory):
    return colourful_records(tmp_path_factory.mktemp("colourful") / "polygons", rle=False)


@pytest.fixture(scope="session")
def rle_records(tmp_path_factory):
    return colourful_records(tmp_path_factory.mktemp("colourful") / "run_lengths", rle=True)
