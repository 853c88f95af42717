"""A real Chromium for the tests marked `browser`, started by Playwright.

Two settings come from the environment:

    COURSE_CHROMIUM=path             which Chromium to use; otherwise it is searched for
    COURSE_BROWSER_TESTS=required    a missing browser fails the tests instead of skipping them
"""

import os
import re
import shutil
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")


class NoBrowser(RuntimeError):
    """There is no browser to test with. The message says what is missing."""


def find_chromium() -> str | None:
    """The Chromium to use: COURSE_CHROMIUM, one on the PATH, Playwright's own; None without any.

    Raises:
        NoBrowser: when COURSE_CHROMIUM names no file, or Playwright is not installed.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise NoBrowser(f"playwright is not installed ({error})") from None
    chosen = os.environ.get("COURSE_CHROMIUM")
    if chosen:
        if not Path(chosen).is_file():
            raise NoBrowser(f"COURSE_CHROMIUM: expected a browser's path, got {chosen!r}")
        return chosen
    on_path = next(filter(None, map(shutil.which, NAMES)), None)
    if on_path:
        return on_path
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if Path(own).is_file() else None


@contextmanager
def chromium(*options: str):
    """A running headless Chromium (`playwright.sync_api.Browser`), closed at the end of the block.

    Args:
        options: further switches of its command line. Playwright itself adds `--no-sandbox`,
            without which Chromium does not start in containers and as root.
    Raises:
        NoBrowser: when there is none, or it does not start.
    """
    path = find_chromium()
    if path is None:
        raise NoBrowser(
            f"no {', '.join(NAMES)} on the PATH and no COURSE_CHROMIUM; "
            "`python -m playwright install chromium` gets one"
        )
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=path, args=options)
        except Error as error:  # on Ubuntu, chromium-browser may only say how to install it
            first_line = str(error).splitlines()[0]
            raise NoBrowser(f"{path} does not start: {first_line}") from error
        try:
            yield browser
        finally:
            browser.close()


@pytest.fixture(scope="package")
def browser():
    """A Chromium for the tests of one folder; they skip without one, or fail where required."""
    with ExitStack() as stack:
        try:
            started = stack.enter_context(chromium())
        except NoBrowser as error:
            if os.environ.get("COURSE_BROWSER_TESTS") == "required":
                pytest.fail(f"COURSE_BROWSER_TESTS=required: {error}")
            pytest.skip(f"no browser here: {error}")
        yield started


def listen(page, complaints: list[str], also: str = "") -> None:
    """Note down what goes wrong on a page: errors, what is not loaded, and every network address.

    Args:
        page: of Playwright. complaints: where to. also: a pattern of addresses that are allowed,
            beside those that need no network.
    """
    allowed = re.compile("|".join(filter(None, ["file:", "data:", "blob:", "about:", also])))

    def on_request(request):
        if not allowed.match(request.url):
            complaints.append(f"from the network: {request.url}")

    page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
    page.on("requestfailed", lambda request: complaints.append(f"not loaded: {request.url}"))
    page.on("request", on_request)
