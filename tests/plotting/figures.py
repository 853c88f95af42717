"""One call of each function that makes a figure."""

import numpy as np
import torch
from torch.distributions import Normal

from course_utils import plotting
from course_utils.data import ImageData
from course_utils.models import VAE, ConvVAE
from course_utils.training import History


def images(n: int = 6, side: int = 28) -> torch.Tensor:
    return torch.rand(n, side * side)


def digits(n: int = 40) -> ImageData:
    pixels, labels = torch.zeros(n, 28, 28, dtype=torch.uint8), torch.arange(n) % 10
    return ImageData("strokes", pixels, labels, pixels, labels)


def history() -> History:
    names = [f"{s}_{name}" for s in ("train", "test") for name in ("elbo", "log_lik", "kl")]
    values = {name: 10.0 * k for k, name in enumerate(names)}
    return History([{"epoch": e, **{k: v + e for k, v in values.items()}} for e in (1, 2, 3)])


def codes(n: int = 30) -> torch.Tensor:
    return torch.randn(n, 2)


def classes(n: int = 30) -> torch.Tensor:
    return torch.arange(n) % 10


TICKS = torch.linspace(-3, 3, 13)
Z = torch.linspace(-3, 3, 61)
BELL = Normal(0.0, 1.0).log_prob(Z).exp()
LINE, CENTRE = torch.tensor([[2.0], [1.0]]), torch.tensor([1.0, 0.5])  # PPCA's W and mu
PEAK = Normal(0.5, 1.0).log_prob(TICKS)[:, None] + Normal(0.0, 0.7).log_prob(TICKS)
STRONGER = [
    {
        "row": row,
        "name": "wider",
        "runs": [{"gain_log_p": g, "gain_log_p_se": 0.1, "gain_elbo": 2 * g, "gain_elbo_se": 0.1}]
        * 2,
    }
    for row, g in [("baseline", 0.0), ("flow q", 1.0), ("flow prior", -0.5)]
]
MEASURED = [
    {
        "latents": latents,
        "log_likelihood": nats,
        "standard_error": 1.0,
        "paired_error": 0.2,
    }
    for latents, nats in [(2, -120.5), (20, -90.0)]
]
SWEEP = [
    {"beta": beta, "seed": n, "gap": {"a": gap, "digit": 0.9}, "active": units, "elbo": elbo}
    for beta, n, gap, units, elbo in [(4, 0, 0.4, 2, -9), (1, 0, 0.1, 5, -7), (1, 1, 0.3, 6, -8)]
]
GAPS = [
    {f"{name}{end}": nats for name in names for end, nats in (("", 2.0 + n), ("_se", 0.1))}
    for names in [("amortization_gap", "approximation_gap", "marginal_kl_at_least")]
    for n in range(3)
]
GAINS = ("gain_elbo", "gain_log_p")
CURES = [
    {
        "part": part,
        "name": "wider",
        "runs": [{n: g for n in GAINS} | {f"{n}_se": 0.1 for n in GAINS}] * 3,
    }
    for part, g in [("baseline", 0.0), ("decoder", 2.0), ("marginal", -0.5)]
]
JUDGED = [  # rows of the record every_model, two seeds
    {
        "name": name,
        "likelihood": kind,
        "runs": [
            {
                "log_p": [log_p + n, 0.5] if kind else None,
                "reconstruction": None if name == "b" else [30.0 + n, 0.1],
                **{f"judge_{on}": [0.6 + 0.1 * n, 0.01] for on in ("pixels", "features")},
                "precision": [0.8, 0.01],
                "recall": [0.4 + 0.2 * n, 0.01],
                "classes": 10 - n,
                "seconds": 31.2,
            }
            for n in range(2)
        ],
    }
    for name, kind, log_p in [("a", "probability", -100.0), ("b", "density", 300.0), ("c", "", 0)]
]
CLIMBS = [[-5.0, -4.0, -3.5], [-6.0, -4.5, -3.5]]
REPEATS = {1: Z, 5: Z / 2 + 0.5}


def chord(z_a: torch.Tensor, z_b: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    return torch.lerp(z_a, z_b, t[:, None])


def arc(z_a: torch.Tensor, z_b: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    quarter = t[:, None] * torch.pi / 2  # for a right angle
    return quarter.cos() * z_a + quarter.sin() * z_b


PAGES = {
    "panels": (lambda: plotting.panels(3), 3),
    "show_page": (lambda: plotting.show_page(np.zeros((5, 7)), "page"), 0),
    "show_rows": (lambda: plotting.show_rows({"original": images(), "decoded": images()}), 0),
    "show_grids": (lambda: plotting.show_grids({"VAE": images(), "PPCA": images()}, 3), 2),
    "show_titled": (lambda: plotting.show_titled(images(5), list("abcde"), columns=3), 6),
}
SHARED = {
    "curves": (
        lambda: plotting.curves(
            [0, 1, 2], {"a": torch.tensor([1.0, 2, 4]), "limit": 3.0}, xlabel="x", yscale="log"
        ),
        0,
    ),
    "lines": (
        lambda: plotting.lines(
            [2, 4, 16], {"a": [1.0, 2, 3], "b": np.array([3.0, 4, 4])}, "size", "error"
        ),
        0,
    ),
    "latent_scatter": (lambda: plotting.latent_scatter(codes(), classes()), 0),
    "traversal_table": (
        lambda: plotting.traversal_table(VAE(3, 5).decode_mean, torch.randn(3), [2, 0], "ab"),
        0,
    ),
    "plane_map": (
        lambda: plotting.plane_map(
            VAE(3, 5).decode_mean, torch.randn(3), (2, 0), codes(), classes(), side=4
        ),
        0,
    ),
}
N00 = {
    "density_and_volume": (
        lambda: plotting.density_and_volume(
            TICKS + 4,
            8 * (TICKS + 4).log(),
            -((TICKS + 4) ** 2) / 2,
            {"one": Z[:1], "all": Z.abs()},
        ),
        2,
    ),
    "density_panels": (
        lambda: plotting.density_panels(
            {"a": torch.rand(20, 20), "b": torch.rand(20, 20)}, codes(9), limit=2.0
        ),
        2,
    ),
    "em_panels": (
        lambda: plotting.em_panels(
            {
                name: {"step 0": (torch.ones(2) / 2, codes(2), torch.eye(2).repeat(2, 1, 1))}
                for name in ("start 1", "start 2")
            },
            codes(9),
            torch.tensor([[-3.0, -2.0], [-4.0, -2.5], [-3.5, -2.2]]),
        ),
        4,
    ),
    "roc_curves": (
        lambda: plotting.roc_curves(torch.randn(50), {"bad": torch.randn(9)}, {"bad": 0.5}),
        0,
    ),
    "score_strips": (
        lambda: plotting.score_strips(torch.randn(50), {"attacked": torch.randn(9)}, -1.0, "x"),
        2,
    ),
    "distances_from_peak": (
        lambda: plotting.distances_from_peak({"one": Z.abs(), "two": Z.abs() + 3}, "distance"),
        0,
    ),
    "times_to_sum": (lambda: plotting.times_to_sum(Z + 4, {"slow": 2.0 ** (Z + 4)}), 0),
    "area_table": (
        lambda: plotting.area_table(
            {"noise": {"one": 0.25, "two": 1.0}, "blank": {"one": 0, "two": 0.5}}
        ),
        0,
    ),
}
N01 = {
    "code_clouds": (
        lambda: plotting.code_clouds({"one": codes(), "two": codes()}, classes(), torch.eye(3)),
        3,
    ),
    "plane_walk": (
        lambda: plotting.plane_walk(
            codes(), classes(), codes(2), {"up": images(2), "down": images(2)}
        ),
        2,
    ),
    "gap_panels": (
        lambda: plotting.gap_panels(
            VAE(2, 5), codes(), classes(), torch.rand(5, 5) + 0.01, 2.0, 0.5, side=3
        ),
        3,
    ),
    "gap_map": (lambda: plotting.gap_map(torch.rand(5, 5) + 0.01, 2.0, 0.5), 0),
}
N02 = {
    "generative_story": (
        lambda: plotting.generative_story(1.0, LINE, CENTRE, 0.5, codes(7), codes()),
        2,
    ),
    "points_and_posteriors": (
        lambda: plotting.points_and_posteriors(codes(4), LINE, CENTRE, Z, torch.rand(4, 61)),
        2,
    ),
    "axis_variances": (
        lambda: plotting.axis_variances(torch.tensor([9.0, 4.0, 1.0]), torch.tensor([8.0]), 1.0),
        0,
    ),
    "gaps_to_best": (
        lambda: plotting.gaps_to_best({"EM": CLIMBS, "gradient": CLIMBS}, -3.4),
        0,
    ),
    "same_picture_turned": (
        lambda: plotting.same_picture_turned({"one": codes(), "other": codes()}),
        2,
    ),
    "decoded_means": (
        lambda: plotting.decoded_means(codes(), {"a": codes(), "b": codes()}, LINE, CENTRE),
        2,
    ),
    "seconds_against_size": (
        lambda: plotting.seconds_against_size([10, 20], {"a": [1, 8], "b": [1, 2]}),
        0,
    ),
    "scores_against_latents": (
        lambda: plotting.scores_against_latents([2, 5, 100], [1, 2, 3], [1, 3, 4]),
        2,
    ),
    "score_boxes": (
        lambda: plotting.score_boxes({"digits": torch.randn(50), "blank": torch.randn(1)}),
        0,
    ),
    "log_likelihood_traces": (
        lambda: plotting.log_likelihood_traces({"EM": CLIMBS[0], "other": CLIMBS[1][:2]}),
        0,
    ),
}
N03 = {
    "stacked_bars": (
        lambda: plotting.stacked_bars({"a": (1, 0.5), "b": (1, 0)}, ["u", "v"], "bits"),
        0,
    ),
    "jensen_picture": (lambda: plotting.jensen_picture(Z[-4:], torch.full((4,), 0.25)), 0),
    "derivations": (
        lambda: plotting.derivations({"A": {"q": [1, 1]}, "B": {"q": [1, 0, 0]}}),
        2,
    ),
    "mixture_density": (
        lambda: plotting.mixture_density(Z, torch.stack([BELL, BELL]), BELL, BELL),
        0,
    ),
    "bound_and_gap": (
        lambda: plotting.bound_and_gap(Z, BELL, BELL, {"q": (BELL, -3.0, 2.0)}),
        2,
    ),
    "decoder_and_posterior": (
        lambda: plotting.decoder_and_posterior(Z, Z**3 - 3 * Z, 1.5, 0.5, BELL, BELL),
        2,
    ),
    "targets_and_fits": (lambda: plotting.targets_and_fits(Z, BELL, {"q": BELL / 2}), 0),
    "sampled_bounds": (
        lambda: plotting.sampled_bounds({"A": REPEATS, "B": REPEATS}, -2.0, -1.0),
        2,
    ),
    "ascent_bars": (lambda: plotting.ascent_bars({"A": [(-3, -2), (-2, -2), (-1.5, -1)]}), 1),
    "beta_chart": (lambda: plotting.beta_chart({"a": 1.0, "b": 784.0, "c": 0.392}), 0),
    "one_q_or_many": (
        lambda: plotting.one_q_or_many(Z, (Z, BELL), Z, {"line": (Z, BELL)}),
        0,
    ),
}
N04 = {
    "repeated_intervals": (
        lambda: plotting.repeated_intervals({"a": (torch.rand(3), torch.rand(3))}, 1.0, "value"),
        1,
    ),
    "theory_and_measured": (
        lambda: plotting.theory_and_measured(
            Z, {"p": Z**2, "level": 0.5}, {"p": (TICKS, TICKS**2, TICKS.abs())}, xlabel="x"
        ),
        0,
    ),
    "frozen_noise": (lambda: plotting.frozen_noise(Z[::6], 0.5, 0.8), 0),
    "training_bands": (
        lambda: plotting.training_bands({"b": torch.rand(5, 9)}, "nats"),
        0,
    ),
    "draws_and_density": (lambda: plotting.draws_and_density(Z, Z, BELL), 0),
    "histogram_and_line": (
        lambda: plotting.histogram_and_line(torch.linspace(0, 1, 500), 0.25, "value", "truth"),
        0,
    ),
}
N05 = {
    "plot_history": (lambda: plotting.plot_history(history()), 3),
    "plot_towards": (lambda: plotting.plot_towards([1.0, 2.0], 3.0, "goal"), 0),
    "plane_and_page": (lambda: plotting.plane_and_page(VAE(2, 5), codes(), classes(), side=3), 2),
    "against_prior": (
        lambda: plotting.against_prior(Z, BELL[:, None] * BELL[None], limit=2.5),
        3,
    ),
    "posteriors": (
        lambda: plotting.posteriors(
            [(Z, Z, Normal(0.0, 1.0).log_prob(Z)[:, None] + Normal(0.0, 0.5).log_prob(Z))] * 2,
            {"q": (torch.zeros(2, 2), torch.zeros(2, 2))},
            images(2),
        ),
        2,
    ),
    "compare_latents": (
        lambda: plotting.compare_latents({"a": VAE(2, 5), "b": ConvVAE(2, 2)}, digits()),
        4,
    ),
    "two_digit_story": (
        lambda: plotting.two_digit_story([VAE(2, 5), VAE(2, 5)], [0, 3], images(2)),
        6,
    ),
    "estimates_against_truth": (
        lambda: plotting.estimates_against_truth(
            {name: (torch.randn(5), torch.rand(5)) for name in "ab"}, torch.randn(5)
        ),
        2,
    ),
    "confusion": (lambda: plotting.confusion(torch.arange(20) % 10, torch.arange(20) // 2), 0),
    "bars": (lambda: plotting.bars({"a": 1.0, "b": 2.0}, "nats"), 0),
    "steps_in_nats": (lambda: plotting.steps_in_nats(MEASURED), 2),
}
N06 = {
    "chord_and_arc": (lambda: plotting.chord_and_arc(chord, arc), 0),
    "shells": (lambda: plotting.shells({"prior": codes(), "digits": codes() + 1}), 0),
    "unit_bars": (lambda: plotting.unit_bars(torch.rand(3), ["z3", "z1", "z2"]), 0),
    "unit_factor_tables": (
        lambda: plotting.unit_factor_tables(
            {"low": torch.rand(3, 2), "high": torch.ones(3, 2)}, ["slant", "width"]
        ),
        2,
    ),
    "gap_against_beta": (
        lambda: plotting.gap_against_beta({"zeros": SWEEP, "all": SWEEP[:2]}),
        3,
    ),
}

N07 = {
    "units_against_noise": (
        lambda: plotting.units_against_noise(torch.tensor([4.0, 1.0, 0.25]), 0.5),
        2,
    ),
    "painted_row": (lambda: plotting.painted_row([2, 0, -1], [1, 2, 1], 2), 0),
    "signed_images": (
        lambda: plotting.signed_images({"a": images(4) - 0.5, "b": -images(3, 10)}),
        2,
    ),
    "layer_diagrams": (plotting.layer_diagrams, 3),
    "layer_kl": (lambda: plotting.layer_kl({"a": torch.rand(7), "b": torch.rand(7)}, 4), 2),
    "four_parts": (lambda: plotting.four_parts(GAPS, CURES), 2),
    "rate_distortion": (
        lambda: plotting.rate_distortion({0.1: (60.0, 70.0), 1: (25.0, 80.0), 30: (1, 180)}, 200),
        0,
    ),
}
N08 = {
    "label_planes": (
        lambda: plotting.label_planes(
            {"two halves": lambda z: (z[:, 0] > 0).long(), "cloud": None},
            codes(10),
            torch.arange(10),
            codes(),
        ),
        2,
    ),
    "error_rates": (
        lambda: plotting.error_rates({"a": (0.2, 0.01), "b": (0.1, 0.02)}, ["b"]),
        0,
    ),
    "areas_with_errors": (
        lambda: plotting.areas_with_errors(
            {kind: {"one": (0.7, 0.02), "other": (0.4, 0.1)} for kind in ("noise", "attacked")}
        ),
        0,
    ),
}

N07B = {
    "stretched": (
        lambda: plotting.stretched(Z, 2 * Z, (BELL, BELL / 2), [(5, 15), (30, 40)]),
        3,
    ),
    "bent_posteriors": (
        lambda: plotting.bent_posteriors((TICKS, TICKS), PEAK, {"a": PEAK, "b": PEAK.flip(0)}),
        2,
    ),
    "densities_over_plane": (
        lambda: plotting.densities_over_plane({"a": PEAK.exp(), "b": PEAK.exp() / 2}, 3.0),
        2,
    ),
    "noise_on_its_way": (
        lambda: plotting.noise_on_its_way({"noise": codes(), "after 1": codes()}, 4.0),
        2,
    ),
    "gains_of_rows": (lambda: plotting.gains_of_rows(STRONGER), 0),
}

WINDOW, ARROWS = torch.randn(20, 3), torch.eye(3, dtype=torch.bool)
COUNTS = [
    {"patient": patient, "steps": n, "method": method, "seed": 0, "right": 3, "wrong": 1}
    for patient in ("linear", "curved")
    for n in (500, 4_000)
    for method in ("F-test", "network")
]
N07D = {
    "signals_and_arrows": (lambda: plotting.signals_and_arrows(WINDOW, ARROWS, "ABC"), 2),
    "signal_rows": (lambda: plotting.signal_rows({"real": WINDOW, "drawn": WINDOW}, "ABC"), 2),
    "bands": (
        lambda: plotting.bands(range(5), {"real": torch.rand(4, 5, 2)}, "AB", torch.rand(5, 2)),
        2,
    ),
    "penalty_curves": (
        lambda: plotting.penalty_curves(
            [1.0, 2.0], torch.rand(2, 3, 3), torch.rand(2, 9), 1.0, ~ARROWS, "ABC"
        ),
        2,
    ),
    "arrow_tables": (
        lambda: plotting.arrow_tables({"network": torch.rand(3, 3), "F": ARROWS}, ARROWS, "ABC"),
        2,
    ),
    "arrow_counts": (lambda: plotting.arrow_counts(COUNTS), 4),
}

N09 = {
    "bound_steps": (
        lambda: plotting.bound_steps(torch.tensor([-3.0, -2.5, -2.2, -2.1]), -2.0, ("a", "b")),
        0,
    ),
    "layers_of_units": (
        lambda: plotting.layers_of_units(
            {"a": ({"x": 3, "h": 2}, "both"), "b": ({"x": 2, "h": 2}, "down")}
        ),
        2,
    ),
    "timeline": (lambda: plotting.timeline({1985: "a", 2013: "b"}, marked=[2013]), 0),
    "weight_images": (lambda: plotting.weight_images(torch.randn(5, 9), columns=3), 0),
    "chain_traces": (lambda: plotting.chain_traces({"a": Z, "b": Z / 2}, "ink"), 2),
}

N10 = {
    "clouds": (
        lambda: plotting.clouds({"a": [codes(), codes()]}, ["early", "late"], codes(8)),
        2,
    ),
    "judge_over_densities": (
        lambda: plotting.judge_over_densities(Z, BELL, BELL / 2, {"a": BELL, "b": 1 - BELL}),
        0,
    ),
    "one_dot_a_seed": (
        lambda: plotting.one_dot_a_seed({"a": torch.tensor([1, 3]), "b": torch.ones(2)}, "n", 8),
        0,
    ),
}
N10_TABLE = {
    "told_apart": (
        lambda: plotting.told_apart({n: (codes(), codes(), lambda z: z[:, 0] > 0) for n in "ab"}),
        2,
    ),
    "model_table": (lambda: plotting.model_table(JUDGED, {"a": "dreams"}), 0),
    "like_and_cover": (lambda: plotting.like_and_cover(JUDGED), 0),
}
SEEDS = [
    {"model": model, "seed": n, "right": 0.6 + n / 50, "right_se": 0.01, "log_lik": -150.0 - n}
    | {"smile_moves": 1.5, "others_at_most": 0.1 * n, "error": 0.1}
    | {"pixels": 0.2, "features": 0.1 + n / 50, "contrast": 0.7}
    for model in ("VAE", "adversarial")
    for n in range(3)
]
N10B = {
    "learned_ratio": (lambda: plotting.learned_ratio(Z, BELL.log(), BELL.log() + 0.1, Z), 2),
    "clouds_beside_prior": (
        lambda: plotting.clouds_beside_prior({"a": codes(), "prior": codes()}, classes()),
        2,
    ),
    "judged_clouds": (lambda: plotting.judged_clouds(SEEDS), 2),
    "two_distances": (lambda: plotting.two_distances(Z, {"a": Z, "b": Z / 2}, at=(0.5, 2.0)), 3),
    "likeness_seeds": (lambda: plotting.likeness_seeds(SEEDS), 3),
    "smile_seeds": (lambda: plotting.smile_seeds(SEEDS, 1.6), 3),
}
# Name of the function: the call, and the number of axes that it returns (0: one alone).
FIGURES = PAGES | SHARED | N00 | N01 | N02 | N03 | N04 | N05 | N06 | N07 | N07B | N07D | N08 | N09
FIGURES |= N10 | N10_TABLE | N10B
