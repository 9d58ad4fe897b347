import signal
import subprocess
import sys
import urllib.request

import pytest

from maskrcnn_project.serve import server
from maskrcnn_project.serve.server import address_of, is_loopback, listen, require_framework
from tests.places import ROOT


def test_a_free_port_on_this_machine_only():
    with listen("127.0.0.1", 0) as sock:
        assert is_loopback(sock)
        assert address_of(sock) == f"http://127.0.0.1:{sock.getsockname()[1]}/"


def test_all_addresses_are_not_this_machine_only():
    with listen("0.0.0.0", 0) as sock:
        assert not is_loopback(sock)
        assert address_of(sock).startswith("http://127.0.0.1:")


def test_a_port_that_is_taken():
    with listen("127.0.0.1", 0) as sock, pytest.raises(OSError, match="choose another --port"):
        listen("127.0.0.1", sock.getsockname()[1])


@pytest.mark.parametrize(("host", "port"), [("203.0.113.1", 0), ("127.0.0.1", 70000)])
def test_an_address_that_is_none(host, port):
    with pytest.raises(OSError, match="cannot be served at"):
        listen(host, port)


def test_missing_packages_are_named_with_the_cure(monkeypatch):
    monkeypatch.setattr(server, "EXTRA", ("numpy", "no_such_package"))
    with pytest.raises(ImportError, match="needs no_such_package: pip install no_such_package"):
        require_framework()


SCRIPT = """
from maskrcnn_project.serve.server import address_of, listen, serve

async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"here"})

with listen("127.0.0.1", 0) as sock:
    print(address_of(sock), flush=True)
    serve(app, sock)
print("ended")
"""


def test_it_answers_until_it_is_interrupted():
    pytest.importorskip("uvicorn", reason="the extra serve is not installed")
    root = ROOT
    with subprocess.Popen([sys.executable, "-c", SCRIPT], cwd=root, stdout=subprocess.PIPE, text=True) as process:
        address = process.stdout.readline().strip()
        assert urllib.request.urlopen(address, timeout=30).read() == b"here"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=30)[0] == "ended\n"
    assert process.returncode == 0
