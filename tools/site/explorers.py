"""Explorer pages for the site, from the committed checkpoints: they move without a kernel."""

import html
import re
from dataclasses import dataclass
from pathlib import Path

from course_utils.files import PACKAGE

FOLDER = "explorers"  # on the site
# A widget that shows a checkpoint, and one that chooses among the models with different beta.
SHOWS = re.compile(r"^Latent(Traversal|Plane)\(")
LOADS = re.compile(r"load_checkpoint\([\"']([\w.-]+)[\"']\)")
CHOOSES = "Knobs(beta)"


@dataclass(frozen=True)
class Explorer:
    """Explorer pages at one place of the text: {what a reader chooses: checkpoint}."""

    choices: dict[str, str]

    @property
    def html(self) -> str:
        """The frame, with a link for each choice above it: no script is needed to choose."""
        first = next(iter(self.choices.values()))
        name = f"explorer-{first.replace('.', '-')}"
        links = "".join(
            f'<a href="{FOLDER}/{page}.html" target="{name}">{html.escape(choice)}</a> '
            for choice, page in self.choices.items()
        )
        above = f'<p class="choices">{links}</p>' if len(self.choices) > 1 else ""
        return (
            f'<div class="explorer">{above}<iframe name="{name}" src="{FOLDER}/{first}.html" '
            f'title="Latent explorer: {html.escape(first)}" loading="lazy"></iframe></div>'
        )


def checkpoints() -> list[str]:
    """The names of the checkpoints that travel with the package."""
    return sorted(path.stem for path in (PACKAGE / "checkpoints").glob("*.pt"))


def explorer_for(source: str, shown: str) -> Explorer | None:
    """The explorer that may stand where a widget stands; None where no checkpoint is its model.

    Args:
        source: the code of the widget's cell.
        shown: the widget as text, as in `LatentPlane(VAE, 2 latents)`.
    """
    loaded = LOADS.findall(source)
    if SHOWS.match(shown) and len(loaded) == 1 and loaded[0] in checkpoints():
        return Explorer({loaded[0]: loaded[0]})
    if shown == CHOOSES and "by_beta" in source:
        betas = [name for name in checkpoints() if name.startswith("mnist-beta-")]
        betas.sort(key=lambda name: float(name.rsplit("-", 1)[1]))
        return Explorer({f"β = {name.rsplit('-', 1)[1]}": name for name in betas})
    return None


def write_explorers(names: set[str], folder: Path) -> None:
    """Write the explorer page of each of these checkpoints into a folder."""
    from course_utils.data import load_digits
    from course_utils.training import load_checkpoint
    from course_utils.widgets import export_html

    digits = load_digits()
    folder.mkdir(parents=True, exist_ok=True)
    for name in sorted(names):
        export_html(load_checkpoint(name), folder / f"{name}.html", digits, title=name)
