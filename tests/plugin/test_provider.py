"""Which Detectron2 answers: each case in a fresh process, since a process imports it once."""

import os
import subprocess
import sys

import pytest

from tests.places import ROOT

STANDIN = ROOT / "maskrcnn_project" / "standin"
SHOW = "import maskrcnn_project, detectron2; print(maskrcnn_project.detectron2_info().kind, detectron2.__version__)"


def run(code, *, cwd, choice=None, path=()):
    """Runs ``code`` in a new interpreter that sees the repository and then ``path``."""
    environment = {k: v for k, v in os.environ.items() if k not in ("MASKRCNN_DETECTRON2", "PYTHONPATH")}
    environment["PYTHONPATH"] = os.pathsep.join(str(p) for p in (ROOT, *path))
    if choice is not None:
        environment["MASKRCNN_DETECTRON2"] = choice
    return subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, env=environment, capture_output=True, text=True, timeout=120
    )


@pytest.fixture
def fake_install(tmp_path):
    """A folder on the path that holds a package named detectron2, as an installed one would."""
    package = tmp_path / "site" / "detectron2"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('__version__ = "0.6"\n')
    return package.parent


def test_stands_in_where_nothing_is_installed(tmp_path):
    result = run(SHOW, cwd=tmp_path)
    assert result.stdout.split() == ["standin", "0.6+standin"], result.stderr


def test_an_installed_one_wins(tmp_path, fake_install):
    result = run(SHOW, cwd=tmp_path, path=[fake_install])
    assert result.stdout.split() == ["installed", "0.6"], result.stderr


def test_an_installed_one_wins_when_the_standin_lies_first_on_the_path(tmp_path, fake_install):
    code = f"import sys; sys.path.insert(0, {str(STANDIN)!r}); " + SHOW
    result = run(code, cwd=tmp_path, path=[fake_install])
    assert result.stdout.split() == ["installed", "0.6"], result.stderr


def test_standin_can_be_asked_for(tmp_path, fake_install):
    result = run(SHOW, cwd=tmp_path, choice="standin", path=[fake_install])
    assert result.stdout.split() == ["standin", "0.6+standin"], result.stderr


def test_installed_without_one_is_a_sentence(tmp_path):
    result = run("import maskrcnn_project", cwd=tmp_path, choice="installed")
    assert result.returncode != 0
    assert "no package named detectron2 is installed" in result.stderr.splitlines()[-1]


def test_an_unknown_choice_names_the_choices(tmp_path):
    result = run("import maskrcnn_project", cwd=tmp_path, choice="real")
    assert "must be one of auto, installed, standin, but is 'real'" in result.stderr.splitlines()[-1]


def test_choice_that_comes_too_late(tmp_path, fake_install):
    result = run("import detectron2, maskrcnn_project", cwd=tmp_path, choice="standin", path=[fake_install])
    assert "was imported already" in result.stderr.splitlines()[-1]


@pytest.mark.parametrize("choice", ["auto", "installed"])
def test_a_stray_folder_is_named(tmp_path, choice):
    (tmp_path / "detectron2").mkdir()
    result = run("import maskrcnn_project", cwd=tmp_path, choice=choice)
    message = result.stderr.splitlines()[-1]
    assert str(tmp_path / "detectron2") in message and "rename or move" in message


def test_a_stray_folder_does_no_harm_when_the_standin_is_asked_for(tmp_path):
    (tmp_path / "detectron2").mkdir()
    result = run(SHOW, cwd=tmp_path, choice="standin")
    assert result.stdout.split() == ["standin", "0.6+standin"], result.stderr


def test_the_wrong_name_is_refused(tmp_path):
    result = run("import maskrcnn_project.standin.detectron2", cwd=tmp_path)
    assert "can only be imported as 'detectron2'" in result.stderr.splitlines()[-1]


def test_spawned_workers_see_the_same_one(tmp_path):
    script = tmp_path / "spawns.py"
    script.write_text(
        "import maskrcnn_project\n"
        "import multiprocessing\n"
        "def version(_):\n"
        "    import detectron2\n"
        "    return detectron2.__version__\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        print(pool.map(version, [0])[0])\n"
    )
    result = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.stdout.strip() == "0.6+standin", result.stderr
