"""What the tests of training share."""

import pytest
import torch


@pytest.fixture(autouse=True)
def seeded():
    """Every test begins with the same random stream."""
    torch.manual_seed(0)
