import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

from starlette.exceptions import HTTPException  # noqa: E402

from maskrcnn_project.masks.detections import Detections  # noqa: E402
from maskrcnn_project.serve.result_store import Result, Results  # noqa: E402


def result(name):
    return Result(name, Detections.none((2, 2)), b"", "image/png", 1)


def test_the_one_longest_unused_is_dropped():
    results = Results(most=2)
    first, second, third = (result(name) for name in "abc")
    results.add(first)
    results.add(second)
    assert results.get(first.token) is first  # now the second is the oldest
    results.add(third)
    assert results.get(first.token) is first and results.get(third.token) is third
    with pytest.raises(HTTPException, match="no longer holds this image"):
        results.get(second.token)


def test_tokens_differ():
    assert len({result("a").token for _ in range(100)}) == 100
