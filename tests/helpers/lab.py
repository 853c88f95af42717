"""A real JupyterLab in a real browser: a server, a notebook in a tab, a widget on its page.

The server has settings of its own; it and all that it started end with the tests.
"""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "notebooks" / "06_latent_traversals.ipynb"
# Limits, not measurements: machines may be slow and shared.
START_SECONDS, RUN_SECONDS, PATIENCE = 300, 900, 180

# What every test here is. That they share a server is up to tests/conftest.py.
MARKS = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(
        version("ipywidgets").startswith("7."),
        reason="the page's half of ipywidgets 7 belongs to JupyterLab 3",
    ),
]

# Without a kernel JupyterLab's own widget manager complains: of widgets that were not saved, and,
# in version 3.0.17, of the kernel. With a kernel no error is forgiven.
MANAGER = "@jupyter-widgets/jupyterlab-manager"

# Size, number of colours and all pixels of each image in a widget, as one short text. An image
# that is just being replaced cannot be read: then once more.
PICTURES = """async root => {
    const read = async image => {
        await image.decode();
        const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
        const pen = canvas.getContext("2d");
        pen.drawImage(image, 0, 0);
        const pixels = pen.getImageData(0, 0, canvas.width, canvas.height).data;
        const digest = new Uint8Array(await crypto.subtle.digest("SHA-1", pixels));
        const colours = new Set(new Uint32Array(pixels.buffer)).size;
        return [canvas.width, canvas.height, colours, ...digest].join(" ");
    };
    for (let tries = 0; ; tries++) {
        try {
            const seen = [...root.querySelectorAll("img.widget-image")];
            return await Promise.all(seen.filter(image => image.offsetHeight).map(read));
        } catch (problem) {
            if (tries === 100) throw problem;
            await new Promise(done => setTimeout(done, 20));
        }
    }
}"""
WIDTH = "image => image.naturalWidth"
SESSION = "window.jupyterapp.shell.currentWidget.context.sessionContext.session"


def end(process):
    """End a process and all that it started."""
    if os.name == "nt":
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(process.pid)], capture_output=True)
        process.wait()
        return
    for number, seconds in [(signal.SIGTERM, 15), (signal.SIGKILL, 5)]:
        try:
            os.killpg(process.pid, number)
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            pass
        return


class Lab:
    """A JupyterLab on `folder`, whose every setting and file lies under `home`."""

    MODULE, APP = "jupyterlab", "LabApp"

    def __init__(self, folder: Path, home: Path):
        self.folder, self.home = folder, home
        self.env = os.environ | {
            "JUPYTER_PREFER_ENV_PATH": "1",
            "JUPYTER_CONFIG_DIR": str(home / "config"),
            "JUPYTER_DATA_DIR": str(home / "data"),
            "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
            "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
            "IPYTHONDIR": str(home / "ipython"),
            "JUPYTER_CONFIG_PATH": str(ROOT / "tools" / "lab"),  # as `make lab` has it
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        }

    @contextmanager
    def running(self):
        command = [sys.executable, "-m", self.MODULE, "--no-browser", "--ServerApp.port=0"]
        command += [f"--ServerApp.root_dir={self.folder}"]
        command += [f"--{self.APP}.expose_app_in_browser=True"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            command += ["--allow-root"]
        with open(self.home / "server.log", "w+", encoding="utf-8") as log:
            server = subprocess.Popen(
                command, env=self.env, stdout=log, stderr=log, start_new_session=True
            )
            try:
                self._await_address(server)
                yield self
            finally:
                end(server)

    def _await_address(self, server):
        give_up = time.monotonic() + START_SECONDS
        while time.monotonic() < give_up and server.poll() is None:
            for info in (self.home / "runtime").glob(f"jpserver-{server.pid}.json"):
                try:
                    info = json.loads(info.read_text())
                except ValueError:  # half written
                    continue
                self.url, self.token = info["url"], info["token"]
                return
            time.sleep(0.1)
        log = (self.home / "server.log").read_text(encoding="utf-8", errors="replace")
        pytest.fail(f"{self.MODULE} does not start:\n{log[-3000:]}")


class Notebook(Lab):
    """A Notebook 7. JupyterLab's server has its pages as well, but mixes up their fonts."""

    MODULE, APP = "notebook", "JupyterNotebookApp"


class Page:
    """A notebook in a tab of its own, and whatever goes wrong there."""

    def __init__(self, browser, lab, name: str, kernel: bool):
        self.tab = browser.new_page(viewport={"width": 1280, "height": 720})
        self.tab.set_default_timeout(1000 * PATIENCE)
        self.kernel, self.problems = kernel, []
        self.tab.on("console", self._console)
        self.tab.on("pageerror", lambda error: self._note(f"uncaught: {error.stack}"))
        self.tab.on("response", self._response)
        self.go(lab, name)

    def go(self, lab, name):
        """Go to JupyterLab, and open the notebook there."""
        # A workspace of its own, so that nothing is opened from before.
        workspace = f"{Path(name).stem}-{self.kernel}"
        self.tab.goto(f"{lab.url}lab/workspaces/{workspace}?token={lab.token}")
        self.open(name)

    def open(self, name):
        """Open a notebook in JupyterLab, and wait until it and its kernel are there."""
        self.await_app()
        wanted = {"path": name, "factory": "Notebook"}
        if not self.kernel:
            wanted["kernelPreference"] = {"shouldStart": False}
        self.command("docmanager:open", wanted)
        self.await_notebook()

    def await_app(self):
        """Wait until the application is there."""
        self.tab.wait_for_function("window.jupyterapp && window.jupyterapp.restored")
        self.tab.evaluate("() => window.jupyterapp.restored")

    def await_notebook(self):
        """Wait until the open notebook and its kernel are there."""
        self.tab.wait_for_selector(".jp-Notebook .jp-Cell")
        self.tab.evaluate(
            """async kernel => {
                const context = window.jupyterapp.shell.currentWidget.context;
                await context.ready;
                if (kernel) {
                    await context.sessionContext.ready;
                    await context.sessionContext.session.kernel.info;
                }
            }""",
            self.kernel,
        )

    def _note(self, problem):
        if self.kernel or MANAGER not in problem:
            self.problems.append(problem)

    def _console(self, message):
        if message.type == "error":
            address = (message.location or {}).get("url", "")
            self._note(f"console: {message.text} ({address})")

    def _response(self, response):
        if response.status >= 400:
            self._note(f"HTTP {response.status}: {response.url}")

    def command(self, name, arguments=None):
        """Do what a menu entry does, and wait until it is done."""
        run = "([name, what]) => window.jupyterapp.commands.execute(name, what).then(() => null)"
        self.tab.evaluate(run, [name, arguments or {}])

    def start_all_cells(self):
        self.tab.evaluate(
            """() => {
                const run = window.jupyterapp.commands.execute("notebook:run-all-cells");
                run.then(() => { window.allRan = true; })
                    .catch(why => { window.allRan = `failed: ${why}`; });
            }"""
        )

    def all_ran(self):
        """Whether the last cell has run; an error once it never will."""
        ran = self.tab.evaluate(f"() => window.allRan || {SESSION}.kernel.status")
        assert not str(ran).startswith(("failed", "dead", "autorestarting")), ran
        return ran is True

    def end(self):
        """Shut the kernel down, and close the tab."""
        self.tab.evaluate(f"async () => {{ await {SESSION}?.shutdown(); }}")
        self.tab.close()

    def until(self, what, why, seconds=PATIENCE):
        """Wait until `what()` is true, while the page goes on; returns what it then is."""
        give_up = time.monotonic() + seconds
        while not (found := what()):
            assert time.monotonic() < give_up, f"not within {seconds} s: {why} {self.problems}"
            self.tab.wait_for_timeout(50)
        return found


class NotebookPage(Page):
    """A notebook in a tab of Notebook 7, which shows one notebook and nothing around it.

    One error is Notebook's own and comes with every notebook: github.com/jupyter/notebook, issue
    7862, on the settings of shortcuts.
    """

    def _note(self, problem):
        if "uncaught: TypeError" not in problem or "(reading 'schema')" not in problem:
            super()._note(problem)

    def go(self, lab, name):
        self.tab.goto(f"{lab.url}notebooks/{name}?token={lab.token}")
        self.await_app()
        self.await_notebook()


class Live:
    """One widget on a page."""

    def __init__(self, page, root):
        self.page, self.root = page, root
        root.scroll_into_view_if_needed()

    def picture(self):
        """All its images."""
        return self.root.evaluate(PICTURES)

    def decoded(self):
        """The image that the sliders decode: the first of 28 pixels, whatever maps there are.

        While the page replaces it, there is none.
        """
        small = self.page.until(
            lambda: [image for image in self.picture() if image.startswith("28 28 ")],
            "an image of 28 pixels",
        )
        return small[0]

    def press(self, key, times=1, slider=0):
        """Arrow keys on one of its sliders."""
        handle = self.root.locator(".noUi-handle:visible").nth(slider)
        handle.focus()
        for _ in range(times):
            handle.press(key)

    def drag(self, pixels, slider=0):
        """Drag the handle of one of its sliders so far to the right."""
        box = self.root.locator(".noUi-handle:visible").nth(slider).bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        mouse = self.page.tab.mouse
        mouse.move(x, y)
        mouse.down()
        mouse.move(x + pixels, y, steps=5)
        mouse.up()

    def click(self, name):
        """Click the button of this name, a text or a pattern, once the sliders' events are over.

        The page holds back a slider's last position while the kernel is at the one before.
        """
        self.settle()
        self.root.get_by_role("button", name=name, exact=True).click()

    def settle(self):
        """Wait until the pictures stay as they are."""
        seen = [self.picture()]

        def quiet():
            self.page.tab.wait_for_timeout(400)
            seen.append(self.picture())
            return seen[-1] == seen[-2]

        self.page.until(quiet, "the pictures stay")

    def await_change(self, of, *before):
        """Wait until `of()` is none of what it was."""
        self.page.until(lambda: of() not in before, "the picture changes")
        return of()

    def await_length(self, length):
        """Wait until the text says that |z| is so: it comes after sliders and picture."""
        text = self.root.locator(".course-text")
        said = f"|z| = {length:.2f}:"
        self.page.until(lambda: said in text.inner_text(), said)

    def await_picture(self, of, wanted):
        self.page.until(lambda: of() == wanted, "the earlier picture is back")
