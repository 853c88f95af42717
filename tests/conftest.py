"""What all tests share: fixtures, and skipping tests marked `gpu` without an accelerator."""

import pytest


@pytest.fixture
def no_figure_is_left_over():
    """A figure that stays open in pyplot would be shown a second time by the notebook."""
    import matplotlib.pyplot as plt

    plt.close("all")
    yield
    left = plt.get_fignums()
    plt.close("all")
    assert not left


@pytest.fixture
def course_style():
    """Drawn as in the notebooks, and closed afterwards."""
    import matplotlib.pyplot as plt
    import torch

    from course_utils.session import PLOT_STYLE

    torch.manual_seed(0)
    with plt.rc_context(PLOT_STYLE):
        yield
    plt.close("all")


def pytest_collection_modifyitems(items):
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    import torch  # slow to import, so only where a collected test asks for it

    if torch.cuda.is_available() or torch.backends.mps.is_available():
        return
    for item in marked:
        item.add_marker(pytest.mark.skip(reason="no accelerator here"))


@pytest.hookimpl(optionalhook=True)  # there may be no pytest-xdist, as beside Colab's versions
def pytest_xdist_make_scheduler(config, log):
    """Tests of one file stay on one worker, and so do all that share the JupyterLab."""
    from xdist.scheduler import LoadFileScheduling

    class Together(LoadFileScheduling):
        def _split_scope(self, nodeid):
            file = super()._split_scope(nodeid)
            return "JupyterLab" if "browser/test_lab" in file else file

    return Together(config, log)
