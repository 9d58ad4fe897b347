import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

from starlette.datastructures import Headers  # noqa: E402

from maskrcnn_project.serve.host_check import HostCheck  # noqa: E402

GUARD = HostCheck(None, ["Lab.example"])


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("127.0.0.1:8000", True),
        ("localhost:9000", True),  # forwarded by SSH from another port
        ("[::1]:8000", True),
        ("192.168.1.5:8000", True),  # a strange page can bring its name to point here, but no address
        ("lab.example:8000", True),
        ("LAB.example", True),
        ("evil.example:8000", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example", False),
        ("user@evil.example", False),
        ("[::1", False),
        ("", False),
    ],
)
def test_only_names_that_no_stranger_can_take(host, known):
    assert GUARD.is_known(host) is known


@pytest.mark.parametrize(
    ("method", "headers", "answered"),
    [
        ("GET", {}, True),
        ("POST", {}, True),  # a program, no browser
        ("POST", {"origin": "http://localhost:8000"}, True),
        ("POST", {"origin": "https://localhost:8000"}, True),  # behind a proxy that encrypts
        ("POST", {"origin": "http://localhost:8001"}, False),
        ("POST", {"origin": "http://evil.example"}, False),
        ("POST", {"origin": "null"}, False),
        ("POST", {"sec-fetch-site": "cross-site"}, False),
        ("POST", {"sec-fetch-site": "same-site"}, False),
        ("POST", {"origin": "http://localhost:8000", "sec-fetch-site": "same-origin"}, True),
    ],
)
def test_only_the_page_itself_may_post(method, headers, answered):
    refusal = GUARD.refusal(method, Headers({"host": "localhost:8000", **headers}))
    assert (refusal is None) is answered
