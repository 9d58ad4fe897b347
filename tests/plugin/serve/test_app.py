"""The server as a browser, and as an attacker, speaks to it: over a real connection."""

import http.client
import json
import re
import threading

import numpy as np
import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

from maskrcnn_project.masks.detections import Detections  # noqa: E402
from maskrcnn_project.serve.upload import Limits  # noqa: E402


def test_an_image_is_looked_at_and_measured(serve, image_file):
    served = serve()
    found = served.ask("/api/predict?name=photo.png", image_file()).json
    assert served.seen[0].shape == (8, 12, 3) and served.seen[0][0, 0].tolist() == [0, 0, 255]
    assert found["name"] == "photo.png" and found["size"] == [8, 12] and found["step"] == 1 and not found["remarks"]
    assert [(one["class"], round(one["score"], 3), one["box"]) for one in found["instances"]] == [
        (0, 0.9, [1, 1, 5, 5]),
        (0, 0.6, [3, 1, 7, 5]),
        (1, 0.3, [2, 2, 4, 4]),
    ]
    assert all(isinstance(one["counts"], str) for one in found["instances"])

    place = f"/api/results/{found['token']}"
    picture = served.ask(f"{place}/picture")
    assert picture.headers["content-type"] == "image/png" and picture.body.startswith(b"\x89PNG")
    rows = served.ask(f"{place}/measurements?thresholds=0.1,0.1&overlap=highest").json["rows"]
    assert [row["instance"] for row in rows] == [0, 1]
    table = served.ask(f"{place}/measurements.csv?thresholds=0.1,0.1").body.decode()
    assert len(table.splitlines()) == 4 and table.splitlines()[1].startswith("photo.png,1,cell,")
    assert served.ask(f"{place}/measurements?thresholds=7").status == 400


def test_the_page_is_told_what_it_needs(serve, tmp_path, image_file):
    (tmp_path / "a.png").write_bytes(image_file())
    served = serve(examples=[tmp_path / "a.png", tmp_path / "gone.png"])
    about = served.ask("/api/model").json
    assert about["classes"] == ["cell", "dirt"] and about["thresholds"] == [0.5, 0.5] and about["lowest"] == 0.05
    assert about["examples"] == ["a.png", "gone.png"]
    assert served.ask("/api/examples/0").body == image_file()
    assert "no longer there" in served.ask("/api/examples/1").json["error"]
    assert served.ask("/api/examples/2").status == 404


@pytest.mark.parametrize("path", ["/", "/page/page.js", "/page/style.css", "/page/icon.svg", "/api/model"])
def test_every_answer_is_fenced_in(serve, path):
    answer = serve().ask(path)
    assert answer.status == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff" and answer.headers["cache-control"] == "no-store"


def test_the_page_has_no_script_in_its_markup(serve):
    page = serve().ask("/").body.decode()
    assert page.count("<script") == 1 and 'src="/page/page.js"></script>' in page
    assert not re.search(r"\son\w+\s*=", page)
    assert "style=" not in page and "http:" not in page and "https:" not in page


def test_no_file_beside_the_page_is_given_out(serve):
    served = serve()
    for path in ("/page/../app.py", "/page/%2e%2e/app.py", "/page/..%2fapp.py"):
        assert served.ask(path).status == 404


def test_strangers_are_refused(serve, image_file):
    served = serve()
    rebound = served.ask("/api/model", headers={"Host": "evil.example"})
    assert rebound.status == 403 and "evil.example" in rebound.json["error"]
    foreign = served.ask("/api/predict", image_file(), {"Origin": "http://evil.example"})
    assert foreign.status == 403 and not served.seen
    own = served.ask("/api/predict", image_file(), {"Origin": f"http://127.0.0.1:{served.port}"})
    assert own.status == 200


@pytest.mark.parametrize(
    ("data", "status", "said"),
    [
        (b"", 400, "The file is empty"),
        (b"no image", 415, "This is no image"),
        (b"\0" * 2000, 413, "larger than 0.001 MB"),
    ],
)
def test_bad_uploads_end_in_a_sentence(serve, data, status, said):
    answer = serve(limits=Limits(megabytes=0.001)).ask("/api/predict", data)
    assert answer.status == status and said in answer.json["error"]


def test_an_upload_that_states_no_length_is_counted(serve):
    served = serve(limits=Limits(megabytes=0.001))
    connection = http.client.HTTPConnection(served.host, served.port, timeout=20)
    connection.request("POST", "/api/predict", iter([b"\0" * 900, b"\0" * 900]), encode_chunked=True,
                       headers={"Transfer-Encoding": "chunked"})  # fmt: skip
    response = connection.getresponse()
    assert response.status == 413 and "larger than" in json.loads(response.read())["error"]


def test_an_upload_that_never_ends_is_given_up(serve):
    served = serve(limits=Limits(seconds=0.2))
    connection = http.client.HTTPConnection(served.host, served.port, timeout=20)
    connection.putrequest("POST", "/api/predict")
    connection.putheader("Content-Length", "100")
    connection.endheaders(b"only these")
    assert connection.getresponse().status == 408


def test_one_at_a_time_and_a_short_queue(serve, image_file):
    busy, free = threading.Event(), threading.Event()
    inside = []

    def slow(image):
        inside.append(len(inside))
        busy.set()
        assert free.wait(20)
        return Detections.none(image.shape[:2])

    served = serve(slow, Limits(waiting=0))
    answers = []
    first = threading.Thread(target=lambda: answers.append(served.ask("/api/predict", image_file())))
    first.start()
    assert busy.wait(20)
    refused = served.ask("/api/predict", image_file())
    assert refused.status == 503 and "try again" in refused.json["error"] and refused.headers["retry-after"] == "2"
    assert served.ask("/api/model").status == 200  # the rest goes on
    free.set()
    first.join(20)
    assert answers[0].status == 200 and answers[0].json["instances"] == [] and inside == [0]
    assert served.ask("/api/predict", image_file()).status == 200


def test_waiting_requests_take_turns(serve, image_file):
    at_once, most, lock = [0], [0], threading.Lock()

    def counted(image):
        with lock:
            at_once[0] += 1
            most[0] = max(most[0], at_once[0])
        threading.Event().wait(0.05)
        with lock:
            at_once[0] -= 1
        return Detections.none(image.shape[:2])

    served = serve(counted, Limits(waiting=4))
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(served.ask("/api/predict", image_file()).status))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert answers == [200] * 4 and most == [1]


def test_too_little_memory_is_said(serve, image_file):
    def full(image):
        raise RuntimeError("CUDA out of memory. Tried to allocate 9 GiB")

    answer = serve(full).ask("/api/predict", image_file())
    assert answer.status == 507 and "memory is too small" in answer.json["error"]


def test_an_image_that_the_model_cannot_take_is_said(serve, image_file):
    def refuses(image):
        raise ValueError("it is too odd")

    answer = serve(refuses).ask("/api/predict", image_file())
    assert answer.status == 422 and answer.json["error"] == "This image cannot be looked at: it is too odd"


@pytest.mark.parametrize(("size", "status"), [((5000, 1), 200), ((1, 20_000_000), 422), ((66_000, 65), 200)])
def test_long_and_thin_images(serve, image_file, size, status):
    def nothing(image):
        return Detections.none(image.shape[:2])

    answer = serve(nothing).ask("/api/predict", image_file(*size))
    assert answer.status == status
    if status == 200:
        assert answer.json["size"] == [size[1], size[0]]
    else:
        assert "cannot be shown" in answer.json["error"] or "cannot be looked at" in answer.json["error"]


def test_a_heic_is_called_so(serve):
    answer = serve().ask("/api/predict", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    assert (
        answer.status == 415 and "it is HEIC" in answer.json["error"] and "convert it to JPEG" in answer.json["error"]
    )


def test_a_bug_shows_nothing_of_the_inside(serve, image_file):
    def broken(image):
        raise RuntimeError("secret")

    served = serve(broken)
    answer = served.ask("/api/predict", image_file())
    assert answer.status == 500 and b"secret" not in answer.body and "terminal" in answer.json["error"]
    assert served.ask("/api/predict", image_file()).status == 500  # its place is free again


def test_the_model_s_own_limit_is_said(serve, image_file):
    found = serve(most=3).ask("/api/predict", image_file()).json
    assert "stops at 3 instances" in found["remarks"][0]


def test_a_model_without_masks(serve, image_file):
    def boxes_only(image):
        one = np.array([[1, 1, 5, 5]], np.float32)
        return Detections(image.shape[:2], one, np.ones(1, np.float32), np.zeros(1, np.int64), None)

    served = serve(boxes_only)
    found = served.ask("/api/predict", image_file()).json
    assert found["instances"][0]["counts"] is None
    place = f"/api/results/{found['token']}/measurements"
    assert served.ask(f"{place}?thresholds=0,0").json["rows"][0]["cells"][1] == "cell"
    assert served.ask(f"{place}.csv?thresholds=0,0").status == 409
