"""What nbval has to know of the notebooks: how long they may take, and which takes longest."""

LONGEST = "05_vae_on_mnist"  # begun first, so that another worker does the others meanwhile


def pytest_collection_modifyitems(items):
    items.sort(key=lambda cell: LONGEST not in cell.nodeid)
    for cell in items:
        # nbval gives what a cell has printed five seconds to arrive; a busy machine needs longer.
        if hasattr(cell, "output_timeout"):
            cell.output_timeout = 300
