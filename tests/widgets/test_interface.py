"""The explorer in a notebook and the explorer as a page say and do the same."""

import json
import re
from importlib import resources

import pytest
from helpers.explorers import DecoderOnly, images, network

from course_utils.widgets import LatentPlane, LatentTraversal, export_html
from course_utils.widgets import interface as shared
from course_utils.widgets.page import SCRIPTS

FILES = resources.files("course_utils.widgets")
SCRIPT = "".join(FILES.joinpath(name).read_text("utf-8") for name in SCRIPTS)


def test_all_that_is_shared_travels_with_the_page(tmp_path):
    page = export_html(network(3), tmp_path / "page.html").read_text("utf-8")
    content = json.loads(re.search(r'id="model">(.*?)</script>', page, re.DOTALL)[1])
    for name, value in shared.SHARED.items():
        assert content[name] == (list(value) if isinstance(value, tuple) else value), name


@pytest.mark.parametrize("name", list(shared.SHARED))
def test_the_page_reads_what_is_shared(name):
    unpacked = re.findall(r"const \{([^}]*)\} = model;", SCRIPT)
    unpacked += re.findall(r"function makePrior\(\{([^}]*)\}\)", SCRIPT)
    names = re.findall(r"\w+", " ".join(re.sub(r":\s*\w+", "", part) for part in unpacked))
    assert f"model.{name}" in SCRIPT or name in names


def test_nothing_shared_is_written_into_the_script():
    """Neither the numbers that only the interface has, nor the words."""
    for value in [*shared.TYPICAL, shared.SWING_SECONDS, shared.LIMIT, shared.STEP, shared.UNUSED]:
        assert not re.search(rf"(?<![\d.]){re.escape(str(value))}(?![\d.])", SCRIPT), value
    for words in shared.WHERE[::2]:
        assert words not in SCRIPT


def test_the_notebooks_explorer_keeps_to_what_is_shared(monkeypatch):
    live = LatentTraversal(network(3), images())
    slider = live.sliders[0]
    assert (slider.max, slider.step) == (shared.LIMIT, shared.STEP)
    steps = live.play.max + 1
    assert live.play.interval * steps == pytest.approx(1000 * shared.SWING_SECONDS)
    live.play.value = steps // 4
    assert live.z[live.play_unit.value].item() == pytest.approx(shared.SWING)
    sides = []
    monkeypatch.setattr(
        "course_utils.widgets.plane.plane_map",
        lambda decode, z, units, codes, labels, limit, side: sides.append((limit, side)) or stop(),
    )
    with pytest.raises(RuntimeError, match="seen enough"):
        LatentPlane(DecoderOnly())
    assert sides == [(shared.LIMIT, shared.TILES)]


def stop():
    raise RuntimeError("seen enough")
