"""The numbers of the real Detectron2 (tests/golden): each case is computed here and compared."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.contract.parity_compare import close
from tests.contract.parity_models import MODEL_CASES
from tests.contract.parity_parts import PART_CASES

CASES = {**MODEL_CASES, **PART_CASES}


@pytest.fixture(autouse=True)
def two_threads():
    """As the golden run had: sums of another order round otherwise, and some cases amplify it over their steps."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def golden():
    with np.load(Path(__file__).parents[1] / "golden" / "detectron2_02b5c4e.npz") as archive:
        return {key: archive[key] for key in archive.files}


def test_every_golden_case_is_computed(golden):
    assert {key.split("|")[0] for key in golden} == set(CASES)


@pytest.mark.parametrize("name", sorted(CASES))
def test_same_as_detectron2(name, golden):
    wanted = {key.split("|", 1)[1]: value for key, value in golden.items() if key.split("|", 1)[0] == name}
    got = CASES[name]()
    assert wanted and set(wanted) <= set(got)
    different = [key for key in wanted if not close(key, wanted[key], np.asarray(got[key]))]
    assert not different
