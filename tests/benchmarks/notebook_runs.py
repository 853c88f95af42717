"""Minutes and memory of each notebook: "Run All" with the real MNIST at hand, on the processor.

    python tests/benchmarks/notebook_runs.py [--quick]

Copies are executed, one after the other; memory is the most that the kernel has held. Also how
much disk the environment of the course takes. On two CPU cores: about twelve minutes.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

from record import options, save_result

from course_utils.files import CHECKOUT


def disk_of(folder: Path) -> float:
    """GB of all files below a folder, links not followed."""
    places = (Path(where, name) for where, _, names in os.walk(folder) for name in names)
    return sum(place.lstat().st_size for place in places) / 1e9


def main() -> None:
    sys.path.insert(0, str(CHECKOUT))  # maintainers' tools are not installed with the package
    from tools.execute_notebooks import execute, use_processor
    from tools.notebook_files import NOTEBOOKS

    given = options(__doc__)
    use_processor("mnist")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for path in sorted(NOTEBOOKS.glob("*.ipynb"))[: 1 if given.quick else None]:
            cost = execute(Path(shutil.copy(path, folder)))
            rows.append({"notebook": path.stem, "seconds": cost.seconds, "memory_gb": cost.memory})
            print(path.stem, cost, flush=True)
    if not given.quick:
        environment = Path(sys.prefix)
        assert CHECKOUT in environment.parents, "run it with the checkout's .venv"
        save_result("notebook_runs", rows=rows, environment_gb=disk_of(environment))


if __name__ == "__main__":
    main()
