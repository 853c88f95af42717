"""nbval gives what a cell has printed five seconds to arrive; a busy machine may need longer."""


def pytest_collection_modifyitems(items):
    for cell in items:
        if hasattr(cell, "output_timeout"):
            cell.output_timeout = 300
