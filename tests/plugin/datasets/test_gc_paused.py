"""The pause ends as it began, whatever happens meanwhile."""

import gc

import pytest

from maskrcnn_project.datasets.coco_index import gc_paused


@pytest.mark.parametrize("before", [True, False])
def test_the_collector_is_left_as_it_was(before):
    was_enabled = gc.isenabled()
    try:
        (gc.enable if before else gc.disable)()
        with pytest.raises(KeyError), gc_paused():
            assert not gc.isenabled()
            raise KeyError
        assert gc.isenabled() == before
    finally:
        (gc.enable if was_enabled else gc.disable)()
