"""What all tests share: a browser, and skipping tests marked `gpu` without an accelerator."""

import pytest
from browser import browser  # noqa: F401  the fixture


def pytest_collection_modifyitems(items):
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    import torch  # slow to import, so only where a collected test asks for it

    if torch.cuda.is_available() or torch.backends.mps.is_available():
        return
    for item in marked:
        item.add_marker(pytest.mark.skip(reason="no accelerator here"))
