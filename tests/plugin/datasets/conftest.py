"""What the tests of registered sets share."""

import pytest


@pytest.fixture
def own_catalogs(tmp_path, monkeypatch, catalogs_as_before):
    """A cache of its own, and both catalogs left as they were."""
    monkeypatch.setenv("MASKRCNN_CACHE", str(tmp_path / "cache"))
