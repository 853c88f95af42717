"""Bad mirrors and bad networks: a download is whole and verified, or it is given up in time."""

import os
import socket
import sys
import threading
import time

import pytest
from helpers.loaded import (
    assert_is_drawn,
    assert_is_mnist,
    assert_whole_archives,
    cached,
    listing,
    put,
    strokes_file,
    the_line,
)
from helpers.mirror import Mirror, use_mirrors

from course_utils.data import MNISTUnavailable, load_digits, mirrors, mnist

# With the real archives where they are, else with small ones. Slow: servers keep clients waiting.
pytestmark = [pytest.mark.usefixtures("checkout"), pytest.mark.digits, pytest.mark.slow]
HANG = 30.0  # seconds: what takes longer hangs; all that is waited for here takes a second


def test_download_then_cache(checkout, archives, monkeypatch, capsys):
    with Mirror(archives) as mirror:
        use_mirrors(monkeypatch, mirror.url)
        first = load_digits()
        raw = checkout / "data/cache/MNIST/raw"
        train, test = (mnist.FILES[i].shape[0] for i in (0, 2))
        assert the_line(capsys) == f"MNIST: {train:,} + {test:,} images from {raw} (downloaded)"
        assert mirror.requested == list(archives)
        again = load_digits()
        assert the_line(capsys) == f"MNIST: {train:,} + {test:,} images from {raw}"
        assert len(mirror.requested) == 4
    assert_is_mnist(first)
    assert first.train_images.equal(again.train_images)
    assert_whole_archives(checkout, archives)


def test_downloads_never_go_to_the_users_folder(checkout, tmp_path, small, monkeypatch, capsys):
    user = put(tmp_path / "user", {"notes.txt": b"mine"})
    before = listing(user)
    monkeypatch.setenv("COURSE_DATA", str(user))
    with Mirror(small) as mirror:
        use_mirrors(monkeypatch, mirror.url)
        assert_is_mnist(load_digits())
    assert f'(no MNIST in "{user}"; downloaded)' in the_line(capsys)
    assert_is_drawn(load_digits("strokes"))
    assert listing(user) == before
    assert strokes_file() in os.listdir(checkout / "data/cache")


@pytest.mark.parametrize(
    ("manner", "reason", "asked"),
    [
        ("missing", "HTTP 404", 1),
        ("altered", "md5 ", 1),
        ("cut_short", "size ", 1),
        ("other_page", "size 27 bytes, expected ", 1),
        ("endless", "size ", 1),
        ("circular", "HTTP 302", 5),  # urllib goes four times to one address again
    ],
)
def test_bad_mirror_is_never_believed(manner, reason, asked, checkout, small, monkeypatch, capsys):
    """Alone it gives drawn digits, with a good one behind it MNIST; half a file never stays."""
    with Mirror(small, manner) as bad, Mirror(small) as good:
        use_mirrors(monkeypatch, bad.url)
        assert_is_drawn(load_digits())
        line = the_line(capsys)
        assert line.startswith("Drawn digits instead of MNIST: 60 + 20 images from ")
        assert f"download failed, {bad.url[7:-1]}: {reason}" in line
        assert cached(checkout) == [f"data/cache/{strokes_file()}"]
        (checkout / "data/cache" / strokes_file()).unlink()
        use_mirrors(monkeypatch, bad.url, good.url)
        assert_is_mnist(load_digits())
        assert len(bad.requested) == 2 * asked
    assert_whole_archives(checkout, small)


def test_an_endless_file_is_not_read_on(small, monkeypatch):
    """The thread that reads hangs up as soon as there is more than there should be."""
    with Mirror(small, "endless") as mirror:
        use_mirrors(monkeypatch, mirror.url)
        assert_is_drawn(load_digits())
        assert mirror.left.wait(HANG)


def test_first_mirror_refuses_second_serves(checkout, refusing, small, monkeypatch):
    with Mirror(small) as good:
        use_mirrors(monkeypatch, refusing, good.url)
        assert_is_mnist(load_digits("mnist"))
    assert_whole_archives(checkout, small)


def test_mirror_that_fails_halfway(checkout, small, monkeypatch):
    """What was fetched whole is kept; the next mirror is asked for the rest only."""
    some = dict(list(small.items())[:2])
    with Mirror(some) as first, Mirror(small) as second:
        use_mirrors(monkeypatch, first.url)
        with pytest.raises(MNISTUnavailable, match="HTTP 404"):
            load_digits("mnist")
        assert_whole_archives(checkout, some)
        use_mirrors(monkeypatch, first.url, second.url)
        assert_is_mnist(load_digits("mnist"))
    assert second.requested == list(small)[2:]
    assert_whole_archives(checkout, small)


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        ("refuses", ""),  # each system has its own words for it
        ("has no names", "Name or service not known"),
        ("never answers", "silent for 0.5 s"),
    ],
)
def test_no_network_falls_over_within_seconds(
    network, reason, checkout, refusing, monkeypatch, capsys
):
    """A name that is looked up for ever is beyond the reach of a socket's time limit."""
    over, looking_up = threading.Event(), []

    def look_up(*arguments, **options):
        looking_up.append(True)
        if network == "never answers":
            over.wait(HANG)
        looking_up.pop()
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    if network != "refuses":
        monkeypatch.setattr(socket, "getaddrinfo", look_up)
    if network == "never answers":
        monkeypatch.setattr(mirrors, "SILENCE", 0.5)
    use_mirrors(monkeypatch, refusing, refusing)
    start = time.monotonic()
    assert_is_drawn(load_digits())
    assert time.monotonic() - start < HANG
    assert bool(looking_up) == (network == "never answers")  # nobody waits for the answer
    over.set()
    line = the_line(capsys)
    nowhere = f'(no MNIST: "{checkout / "data/cache"}" does not exist; download failed'
    assert nowhere in line
    assert line.count(reason) >= 2
    assert cached(checkout) == [f"data/cache/{strokes_file()}"]


def test_time_limits():
    assert mirrors.SILENCE == 10
    assert (mirrors.CRAWL_SECONDS, mirrors.CRAWL_BYTES) == (20, 100_000)


@pytest.mark.parametrize(
    ("manner", "limit", "reasons"),
    [
        ("silent", "SILENCE", ["silent for 0.7 s", "timed out"]),  # whichever clock rings first
        ("dribbling_headers", "SILENCE", ["silent for 0.7 s", "timed out"]),
        ("dribbling", "CRAWL_SECONDS", ["bytes in 0.7 s"]),
    ],
)
def test_mirror_that_does_not_get_on(manner, limit, reasons, checkout, small, monkeypatch, capsys):
    monkeypatch.setattr(mirrors, limit, 0.7)
    with Mirror(small, manner) as bad:
        use_mirrors(monkeypatch, bad.url)
        start = time.monotonic()
        assert_is_drawn(load_digits())
        assert time.monotonic() - start < HANG
    line = the_line(capsys)
    assert any(reason in line for reason in reasons)
    assert cached(checkout) == [f"data/cache/{strokes_file()}"]


def test_slow_mirror_is_not_given_up(checkout, small, monkeypatch):
    monkeypatch.setattr(mirrors, "CRAWL_SECONDS", 0.1)
    monkeypatch.setattr(mirrors, "CRAWL_BYTES", 1_000)
    with Mirror(small, "slow") as mirror:
        use_mirrors(monkeypatch, mirror.url)
        assert_is_mnist(load_digits("mnist"))
    assert_whole_archives(checkout, small)


def test_torchvision_that_cannot_be_imported(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torchvision.datasets", None)
    assert_is_drawn(load_digits())
    assert "no download, as torchvision cannot be imported: " in the_line(capsys)


def test_silent_mirror_then_a_good_one(checkout, small, monkeypatch):
    """Little patience with the silent one alone: a busy machine may keep the good one waiting."""
    download = mnist.download
    with Mirror(small, "silent") as bad, Mirror(small) as good:

        def impatient(url: str, size: int) -> bytes:
            monkeypatch.setattr(mirrors, "SILENCE", 0.5 if url.startswith(bad.url) else HANG)
            return download(url, size)

        monkeypatch.setattr(mnist, "download", impatient)
        use_mirrors(monkeypatch, bad.url, good.url)
        assert_is_mnist(load_digits("mnist"))
        assert len(bad.requested) == 1
    assert_whole_archives(checkout, small)


# --- Proxies -------------------------------------------------------------------------------------


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy"])
def test_a_proxy_that_is_set_later_is_used(variable, refusing, small, monkeypatch):
    """No restart of the kernel after the first failure: the mirror refuses, the proxy serves."""
    assert_is_drawn(load_digits())
    with Mirror(small) as proxy:
        monkeypatch.setenv(variable, proxy.url)
        assert_is_mnist(load_digits("mnist"))
        assert proxy.requested == list(small)


@pytest.mark.parametrize("written", ['"{}"', "'{}'", " {} "])
@pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY", "all_proxy"])
def test_a_proxy_for_all_and_one_in_quotes_are_used(
    variable, written, refusing, small, monkeypatch
):
    with Mirror(small) as proxy:
        monkeypatch.setenv(variable, written.format(proxy.url))
        assert_is_mnist(load_digits("mnist"))
        assert proxy.requested == list(small)


def test_a_proxy_of_its_own_goes_before_one_for_all(small, monkeypatch, refusing):
    with Mirror(small) as proxy:
        monkeypatch.setenv("ALL_PROXY", refusing)
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        assert_is_mnist(load_digits("mnist"))


def test_a_proxy_that_urllib_cannot_speak_to_is_not_for_all(small, monkeypatch):
    """As before there was one for all: the mirror may be reached without it."""
    with Mirror(small) as mirror:
        use_mirrors(monkeypatch, mirror.url)
        monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
        assert_is_mnist(load_digits("mnist"))


def test_a_proxy_that_is_removed_is_used_no_more(refusing, small, monkeypatch):
    with Mirror(small) as mirror:
        use_mirrors(monkeypatch, mirror.url)
        monkeypatch.setenv("HTTP_PROXY", refusing)
        assert_is_drawn(load_digits())
        assert mirror.requested == []
        monkeypatch.delenv("HTTP_PROXY")
        assert_is_mnist(load_digits("mnist"))


@pytest.mark.parametrize("proxy", ["http://[::", "socks5://127.0.0.1:9", "nonsense", "://"])
def test_a_proxy_that_is_none_is_a_reason(proxy, checkout, small, monkeypatch, capsys):
    with Mirror(small) as mirror:
        use_mirrors(monkeypatch, mirror.url)
        monkeypatch.setenv("HTTP_PROXY", proxy)
        monkeypatch.setenv("NO_PROXY", "")
        assert_is_drawn(load_digits())
        assert f"download failed, {mirror.url[7:-1]}: " in the_line(capsys)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        assert_is_mnist(load_digits("mnist"))
