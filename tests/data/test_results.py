"""Recorded figures: found in a checkout and in a wheel, or those that there are are named."""

import json

import pytest

from course_utils import files
from course_utils.data import load_result


@pytest.fixture(params=["checkout", "wheel"])
def records(request, tmp_path, monkeypatch):
    """The folder that records are looked for in: one, and another beside it that is not."""
    folders = {"checkout": tmp_path / "data/results", "wheel": tmp_path / "package/results"}
    for name, folder in folders.items():
        folder.mkdir(parents=True)
        (folder / "trial.json").write_text(json.dumps({"from": name}), encoding="utf-8")
    monkeypatch.setattr(files, "CHECKOUT", tmp_path)
    monkeypatch.setattr(files, "PACKAGE", tmp_path / "package")
    if request.param == "checkout":
        (tmp_path / "pyproject.toml").touch()
    return folders[request.param]


def test_a_record_comes_from_the_folder_of_this_installation(records, request):
    where = request.node.callspec.params["records"]
    assert load_result("trial") == {"from": where}
    (records / "greek.json").write_bytes('{"β": "1,5"}'.encode())
    assert load_result("greek") == {"β": "1,5"}


def test_a_record_that_is_missing_names_those_that_there_are(records):
    (records / "another.json").touch()
    with pytest.raises(FileNotFoundError, match=r"one of \['another', 'trial'\], got 'none'"):
        load_result("none")


def test_the_recorded_figures_can_be_read():
    names = sorted(path.stem for path in files.results_root().glob("*.json"))
    assert "mig_against_beta" in names
    assert all(load_result(name) for name in names)
