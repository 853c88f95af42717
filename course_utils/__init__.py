"""The small shared package of the course on variational autoencoders.

Its rooms stand on floors, and each imports only rooms below it; pyproject.toml lists them, under
`tool.importlinter`, and CONTRIBUTING.md says what belongs where.
"""

import os
import sys

__version__ = "0.1.0"

# Torch's worker threads wait for each other in a loop that keeps their cores busy. Beside another
# busy program that makes training several times slower, so here they sleep instead. The libraries
# read this once, when torch is loaded: imported earlier, it is the kernel that says so, or nobody.
WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
if "torch" not in sys.modules and not any(name in os.environ for name in WAITING):
    os.environ["GOMP_SPINCOUNT"] = os.environ["KMP_BLOCKTIME"] = "0"
