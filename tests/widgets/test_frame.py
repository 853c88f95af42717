"""A page of `export_html` in a frame; tests/browser/test_lab_start.py drags on its map."""

import html
import re

import pytest

from course_utils.models import VAE
from course_utils.widgets import export_html, framed


def test_the_frame_holds_the_whole_page(tmp_path):
    path = export_html(VAE(2, 5), tmp_path / "a page.html", title='"quoted" <b>')
    frame = framed(path)
    assert repr(frame) == "Framed(a page.html)"
    found = re.fullmatch(
        r'<iframe title="a page.html" style="[^"<]*" srcdoc="([^"<]*)"></iframe>',
        frame._repr_html_(),
    )
    assert html.unescape(found[1]) == path.read_text(encoding="utf-8")


def test_the_frame_stays_as_it_was_shown(tmp_path):
    path = export_html(VAE(2, 5), tmp_path / "page.html")
    frame = framed(str(path))
    before = frame._repr_html_()
    path.unlink()
    assert frame._repr_html_() == before


def test_a_page_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        framed(tmp_path / "page.html")


def test_what_is_no_page_is_named(tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for path, said in [
        (None, "a file's path, got None"),
        (tmp_path, "a file's path, got the folder "),
        (tmp_path / "binary", "a page of export_html, got "),
    ]:
        with pytest.raises(ValueError, match=f"^path: expected {said}"):
            framed(path)
