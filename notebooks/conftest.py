"""nbval gives what a cell has printed five seconds to arrive; a busy machine may need longer."""

import contextlib

with contextlib.suppress(ImportError):
    from nbval.plugin import IPyNbCell

    IPyNbCell.output_timeout = 300
