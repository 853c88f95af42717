"""Figures. Every function returns `(fig, ax)` or an array, and touches no global state.

Pages of images stand in `pages`, charts of several notebooks in `charts`, pictures of latent
spaces in `latents`, the figures of one notebook in the file with its number.
"""

from course_utils.plotting.charts import curves, lines, shells
from course_utils.plotting.latents import (
    latent_manifold,
    latent_scatter,
    plane_map,
    traversal_table,
)
from course_utils.plotting.n00 import (
    area_table,
    density_panels,
    mixture_image,
    roc_curves,
)
from course_utils.plotting.n01 import (
    code_clouds,
    gap_map,
    map_and_digit,
    plane_walk,
)
from course_utils.plotting.n02 import (
    decoded_means,
    gaps_to_best,
    generative_story,
    log_likelihood_traces,
    points_and_posteriors,
    same_picture_turned,
    score_boxes,
    scores_against_latents,
    seconds_against_size,
)
from course_utils.plotting.n03 import (
    ascent_bars,
    beta_chart,
    bound_and_gap,
    derivations,
    jensen_picture,
    mixture_density,
    one_q_or_many,
    sampled_bounds,
    stacked_bars,
)
from course_utils.plotting.n04 import (
    frozen_noise,
    histogram_and_line,
    repeated_intervals,
    theory_and_measured,
    training_bands,
)
from course_utils.plotting.n05 import (
    against_prior,
    bars,
    compare_latents,
    confusion,
    estimates_against_truth,
    likelihood_bars,
    plot_history,
    plot_towards,
    posteriors,
    two_digit_story,
)
from course_utils.plotting.n06 import (
    gap_against_beta,
    unit_bars,
    unit_factor_tables,
)
from course_utils.plotting.pages import (
    as_images,
    mosaic,
    panels,
    show_grids,
    show_page,
    show_rows,
    show_titled,
)

__all__ = [
    "against_prior",
    "area_table",
    "as_images",
    "ascent_bars",
    "bars",
    "beta_chart",
    "bound_and_gap",
    "code_clouds",
    "compare_latents",
    "confusion",
    "curves",
    "decoded_means",
    "density_panels",
    "derivations",
    "estimates_against_truth",
    "frozen_noise",
    "gap_against_beta",
    "gap_map",
    "gaps_to_best",
    "generative_story",
    "histogram_and_line",
    "jensen_picture",
    "latent_manifold",
    "latent_scatter",
    "likelihood_bars",
    "lines",
    "log_likelihood_traces",
    "map_and_digit",
    "mixture_density",
    "mixture_image",
    "mosaic",
    "one_q_or_many",
    "panels",
    "plane_map",
    "plane_walk",
    "plot_history",
    "plot_towards",
    "points_and_posteriors",
    "posteriors",
    "repeated_intervals",
    "roc_curves",
    "same_picture_turned",
    "sampled_bounds",
    "score_boxes",
    "scores_against_latents",
    "seconds_against_size",
    "shells",
    "show_grids",
    "show_page",
    "show_rows",
    "show_titled",
    "stacked_bars",
    "theory_and_measured",
    "training_bands",
    "traversal_table",
    "two_digit_story",
    "unit_bars",
    "unit_factor_tables",
]
