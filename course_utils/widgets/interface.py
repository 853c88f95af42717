"""What the explorer in a notebook and the explorer as a page agree on.

They are one interface written twice: in Python (`explorers`, `plane`) and in explorer.js. Whatever
both must know stands here once, and travels to the page as data, in `SHARED`.
"""

from typing import Any

LIMIT = 3.5  # how far the sliders and the map go: a draw of one unit is farther out once in 2,000
STEP = 0.05  # of the sliders
UNUSED = 0.01  # nats of average KL; below it a unit tells the decoder nothing worth moving
SWING, SWING_SECONDS = 3, 4.8  # how far play moves a unit, and how long once to and fro takes
TILES = 21  # of the map, a side: odd, so that the middle one is the prior mean
TYPICAL = (0.05, 0.95)  # shares of the prior that lie closer to 0; between them a code is typical
WHERE = ("closer than is typical", "typical", "farther out than is typical")
CODED = 1_000  # images whose codes say how much each unit is used, and lie on the map

SHARED: dict[str, Any] = {
    "limit": LIMIT,
    "step": STEP,
    "unused": UNUSED,
    "swing": SWING,
    "swing_seconds": SWING_SECONDS,
    "tiles": TILES,
    "typical": TYPICAL,
    "where": WHERE,
}
