"""Widgets drawn by the scripts that VS Code draws them with: they come live, and they move.

VS Code itself cannot be had by a package manager of Python or JavaScript, so its editor, its way
to a kernel and its HTML outputs (the frame with the dragged plane, questions) are not tried here.
What can be had is the bundle that its Jupyter extension loads into the page of a notebook's
outputs for ipywidgets 8, with a widget manager of its own. JupyterLab lends the test its
connection to a kernel; then its page is emptied, and its style sheets with it.
"""

import pytest
from helpers import small_page
from helpers.lab import MARKS, Live, Page

from tools.site.needed import NpmPackage, Unavailable, fetch

pytestmark = [*MARKS, pytest.mark.publish]

BUNDLE = NpmPackage(
    "@vscode/jupyter-ipywidgets8",
    "1.0.9",
    "bocCThfa4JDIDd7qCFAfW3HpzHfTLYxOTpTbiDfw4DXOUjKHnr6ObkMBiIkuzYPRybh5bY4FhYLemuDuTvIbpQ==",
    {"dist/ipywidgets.js": "ipywidgets.js"},
)
# What VS Code's Jupyter extension loads before the bundle.
LOADER = NpmPackage(
    "requirejs",
    "2.3.8",
    "7/cTSLOdYkNBNJcDMWf+luFvMriVm7eYxp4BcFCsAX0wF421Vyce5SXP17c+Jd5otXKGNehIonFlyQXSowL6Mw==",
    {"require.js": "require.js"},
)
COLOURS = NpmPackage(
    "@jupyter-widgets/controls",
    "5.0.12",
    "4ry+1Fb2kB6vdHLDdrvrhZTElyhJfs+Z2XfyqvhkUkIPpCYpF8RXeVay//annWO/H1v0JhfLu44Ett+1/+djVA==",
    {name: name for name in ("css/materialcolors.css", "css/labvariables.css")},
)

CONNECT = """async () => {
    const session = await window.jupyterapp.serviceManager.sessions.startNew(
        {path: "vscode.ipynb", name: "vscode", type: "notebook", kernel: {name: "python3"}});
    const {kernel} = session;
    await kernel.info;
    window.kernel = kernel;
    document.querySelectorAll("style, link[rel=stylesheet]").forEach(sheet => sheet.remove());
    document.body.replaceChildren();
    document.body.style = "overflow: auto";
}"""

MANAGE = """async address => {
    (await import(address)).activate();
    window.vscIPyWidgets8.load();
    const scripts = {
        widgetsRegisteredInRequireJs: new Set(),
        loadWidgetScript: async name => { throw new Error(`there is no ${name}`); },
        errorHandler: (...what) => console.error(what.join(" ")),
        successHandler: () => {},
    };
    const {WidgetManager} = window.vscIPyWidgets;
    window.manager = new WidgetManager(kernel, document.body, scripts, () => {});
}"""

RUN = """async source => {
    const views = [];
    const running = kernel.requestExecute({code: source});
    running.onIOPub = ({header, content}) => {
        if (header.msg_type === "error") throw new Error(content.evalue);
        const view = content.data?.["application/vnd.jupyter.widget-view+json"];
        if (view) views.push(view);
    };
    const reply = await running.done;
    if (reply.content.status !== "ok") throw new Error(reply.content.evalue);
    for (const view of views) {
        const place = document.body.appendChild(document.createElement("div"));
        place.className = "output";
        const model = await manager.get_model(view.model_id);
        await manager.display_view(view, await manager.create_view(model, {el: place}),
            {node: place});
    }
    return views.length;
}"""


class Outputs(Page):
    """A page with VS Code's widget manager on it, and a kernel."""

    def go(self, lab, name):
        self.tab.goto(f"{lab.url}lab/workspaces/{name}?token={lab.token}")
        self.await_app()

    def _note(self, problem):
        # JupyterLab has brought the same library for shared editing, which no widget uses.
        if "Yjs was already imported" not in problem:
            super()._note(problem)

    def end(self):
        self.tab.evaluate("() => kernel.shutdown()")
        self.tab.close()


@pytest.fixture(scope="module")
def scripts():
    try:
        return {package.name: fetch(package) for package in (BUNDLE, LOADER, COLOURS)}
    except Unavailable as problem:
        pytest.skip(f"no scripts of VS Code's here: {problem}")


@pytest.fixture(scope="module")
def page(browser, lab, scripts):
    page = Outputs(browser, lab, "vscode", kernel=True)
    bundle = scripts[BUNDLE.name] / "ipywidgets.js"
    page.tab.route("**/vscode.js", lambda route: route.fulfill(path=bundle))
    page.tab.evaluate(CONNECT)
    for sheet in COLOURS.files.values():
        text = (scripts[COLOURS.name] / sheet).read_text(encoding="utf-8")
        page.tab.add_style_tag(content=text.replace("@import './materialcolors.css';", ""))
    page.tab.add_script_tag(path=scripts[LOADER.name] / "require.js")
    page.tab.evaluate(MANAGE, f"{lab.url}vscode.js")
    yield page
    page.end()


def test_widgets_are_drawn_and_move(page):
    shown = sum(page.tab.evaluate(RUN, source) for source in small_page.CELLS)
    assert shown == small_page.WIDGETS
    widgets = page.tab.locator(".output .course-knobs")
    page.until(lambda: widgets.count() == shown, "every widget is there")
    for live in [Live(page, widgets.nth(number)) for number in range(shown)]:
        small_page.move(live, lambda live=live: live.press("ArrowRight", 8))
        small_page.move(live, lambda live=live: live.drag(60))
    assert not page.problems
