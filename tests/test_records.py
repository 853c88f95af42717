"""README's table of what was measured says what the records in data/results hold.

Each row of the table names its records. `ROWS` says which of their figures the row prints, in the
order of the page; both sides are read, so no figure stands here.
"""

import math
import re
import statistics
from pathlib import Path

import pytest

from course_utils.data import load_result
from course_utils.files import CHECKOUT

README = Path(__file__).resolve().parents[1] / "README.md"
NUMBER = re.compile(r"(?<![\w.])[−+]?\d+(?:,\d{3})*(?:\.\d+)?(?!\w)")

ROWS = {}  # how a row begins: the figures that it prints, from its records


def row(begins):
    def remember(figures):
        ROWS[begins] = figures
        return figures

    return remember


# --- what each row prints ------------------------------------------------------------------------


@row("seconds to a test loss")
def _(of):
    now, earlier = of("race_to_106"), of("race_to_106_earlier")
    yield re.search(r"is ([\d.]+) or less", now["what"])[1]
    yield from now["seconds"]["fit"]
    for other in ("textbook", "fit before"):
        yield from now["seconds"][other]
        yield now["median_ratios"][other]["fit"]
    yield from earlier["fit_seconds"] + earlier["textbook_seconds"]


@row("training images per second")
def _(of):
    measured = of("images_per_second")["cpu"]
    rows = [
        row
        for row in measured["rows"]
        if row["precision"] == "highest" and row["batch"] in (200, 800)
    ]
    for name in ("batch", "images_per_second", "percent_of_peak"):
        yield from (row[name] for row in rows)
    yield measured["textbook_images_per_second"]


@row("models trained in one vectorised step")
def _(of):
    sweeps = of("sweeps")
    rows = [row for row in sweeps["cpu"]["rows"] if row["precision"] == "highest"]
    yield sweeps["plan"]["models"]
    for row in (rows[0], *rows[-2:]):  # the smallest network, and the two largest
        yield from (row["hidden_dim"], row["batch_size"], row["gain"])


def latent_sizes(of):
    """The record, and its rows for the fewest latents first."""
    sizes = of("latent_sizes")
    assert sizes["seeds"] == [0]  # "one seed"
    return sizes, sorted(sizes["rows"], key=lambda row: row["latents"])


@row("log p(x), a small VAE")
def _(of):
    sizes, rows = latent_sizes(of)
    plan = sizes["plan"]
    yield from (plan["hidden_dim"], sizes["against"], plan["epochs"])
    yield from (sizes["likelihood_samples"], sizes["digits"])
    yield from (rows[-1]["log_likelihood"], rows[-1]["standard_error"])
    yield from (sizes["first_digits"], rows[-1]["first_digits_easier_by"])


@row("the same with fewer latents")
def _(of):
    sizes, rows = latent_sizes(of)
    yield from (row["latents"] for row in rows)
    for row in rows[:-1]:
        yield from (row["against_most"], row["paired_error"])


@row("log p(x), a long run")
def _(of):
    run, published = of("long_run"), of("burda_table")
    yield from (run["model"]["hidden_dim"], run["model"]["latent_dim"], run["plan"]["epochs"])
    yield from (run["likelihood_samples"], run["digits"])
    yield from (run["log_likelihood"], run["standard_error"])
    yield -published["rows"][0]["published_nll"]
    yield published["published"]["epochs"]


BURDA = ["one layer, VAE, K = 1", "one layer, IWAE, K = 5", "one layer, IWAE, K = 50"]


@row("the table of Burda et al.")
def _(of):
    table = of("burda_table")
    rows, plan = table["rows"], table["plan"]
    assert [row["row"] for row in rows] == BURDA and table["seed"] == 0  # "one seed"
    assert {row["digits"] for row in rows} == {plan["digits"]}
    yield from (plan["samples"], plan["digits"])
    yield from (name.split("= ")[1] for name in BURDA[1:])
    for row in rows:
        yield from (-row["nll"], row["standard_error"])
    yield from (row["active_units"] for row in rows)
    yield from (sum(map(int, row["epochs"].split(" + "))) for row in rows)
    yield from (row["training_cpu_seconds"] / 60 for row in rows)
    yield from (-row["published_nll"] for row in rows)
    yield from (row["published_active"] for row in rows)
    yield table["published"]["epochs"]


@row("ELBO that one stronger part gains")
def _(of):
    record = of("four_parts")
    plan, (_, *cures) = record["plan"], record["rows"]
    yield from (plan["hidden_dim"], plan["latent_dim"], plan["epochs"], record["digits_elbo"])
    gains = [run for row in cures for run in row["runs"]]
    yield from (run["gain_elbo"] for run in gains)
    yield max(run["gain_elbo_se"] for run in gains)
    yield plan["digits_log_p"]
    yield from (statistics.mean(run["gain_log_p"] for run in row["runs"]) for row in cures)
    yield max(run["gain_log_p_se"] for run in gains)


@row("the same, other changes")
def _(of):
    record = of("stronger_parts")
    assert record["seeds"] == [0]  # "one seed"
    plan, (baseline, *rows) = record["plan"], record["rows"]
    assert [row["row"] for row in rows] == [
        *("flow q", "VampPrior", "flow prior", "together", "convolutions", "two layers", "ladder")
    ]
    yield from (plan["latent_dim"], plan["epochs"], record["digits"], record["samples"])
    yield baseline["runs"][0]["log_p"]
    runs = [row["runs"][0] for row in rows]
    yield from (run["gain_log_p"] for run in runs)
    yield max(run[f"gain_{name}_se"] for run in runs for name in ("elbo", "log_p"))
    yield from (run["gain_elbo"] for run in runs)


@row("slider to image")
def _(of):
    rows = {row["name"]: row for row in of("widget_latency")["rows"]}
    yield from (rows[name]["median_ms"] for name in ("LatentTraversal", "interact"))


@row("the explorer as one HTML file")
def _(of):
    page = of("explorer_fps")["rows"][0]
    yield from page["in_each_round"]
    yield page["offered_per_second"]


@row("smile vector")
def _(of):
    measured = of("vectors")
    rows = measured["smile"]["rows"]
    yield from (measured["judged"], measured["steps"])
    yield from (row["percent_rising"] for row in rows)
    yield from (row["others_move_at_most"] for row in rows)


@row("slant vector")
def _(of):
    measured = of("vectors")
    yield from (measured["judged"], measured["steps"])
    for row in measured["digits"]["rows"]:
        yield from (row["percent_rising"], row["percent_class_kept"])


@row("mutual information gap")
def _(of):
    record = of("mig_against_beta")
    gaps = {}  # by β, then one for each seed: the mean over the factors
    for run in record["runs"]["zeros"]:
        gaps.setdefault(run["beta"], []).append(statistics.mean(run["gap"].values()))
    first, *others = gaps
    gains = {b: [g - g1 for g, g1 in zip(gaps[b], gaps[first], strict=True)] for b in others}
    yield from gaps
    yield from (statistics.mean(values) for values in gaps.values())
    yield first
    for values in gains.values():
        yield from (statistics.mean(values), statistics.stdev(values) / math.sqrt(len(values)))
    yield max(others, key=lambda b: statistics.mean(gains[b]))


@row("twelve models of the course")
def _(of):
    record = of("every_model")
    rows = {row["name"]: row["runs"] for row in record["rows"]}

    def both(name):
        for key in ("judge_features", "recall"):
            yield statistics.mean(run[key][0] for run in rows[name])

    yield from (record["plan"][name] for name in ("hidden_dim", "latent_dim", "samples"))
    for name in ("VampPrior", "VAE", "IWAE", "RBM", "DBM", "M2", "autoencoder"):
        yield from both(name)
    for name in ("adversarial autoencoder", "VAE/GAN", "GAN", "Gaussian mixture", "PPCA"):
        yield from both(name)
    yield from both("real digits")
    yield from both("independent pixels")


@row("Boltzmann machines with 500 hidden units")
def _(of):
    record = of("boltzmann_table")
    found = {(row["name"], row["temperatures"]): row for row in record["rows"]}
    longest = max(record["plan"]["temperatures"])
    yield from (record["plan"]["hidden_dim"], record["digits"])
    for name in ("RBM, persistent chains", "RBM, CD-1", "DBM"):
        yield from (found[name, longest][key] for key in ("log_p", "log_p_error"))
    below = [row for row in record["bounds"] if row["name"] == "RBM, persistent chains"][-1]
    yield from (below["temperatures"], record["plan"]["raise_digits"])
    yield from (below["lower_than_ais_by"], below["its_error"])
    names = "RBM, CD-25", "RBM, CD-1", "DBM, 500 and 1000 units, bound"
    yield from (record["published"][name] for name in names)


@row("codes of a VAE and of an adversarial autoencoder")
def _(of):
    record = of("adversarial_codes")

    def seeds(part, model, key, factor=1):
        rows = record[part]["rows"]
        return [factor * row[key] for row in rows if row["model"] == model]

    for model in ("VAE", "adversarial"):
        yield from seeds("codes", model, "right", 100)
    for model in ("VAE/GAN", "VAE, σ² learned"):
        yield from seeds("likeness", model, "features")
    for model in ("VAE/GAN", "VAE, σ² learned"):
        yield from seeds("likeness", model, "pixels")


# --- the page ------------------------------------------------------------------------------------


def table():
    """The rows of README's table: (all cells but the last, the records that this one names)."""
    section = README.read_text(encoding="utf-8").split("## What was measured")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    for line in lines:
        *cells, records = (cell.strip() for cell in line.strip("|").split("|"))
        yield cells, re.findall(r"`(\w+)`", records)


def row_that_begins(begins):
    found = [(cells, records) for cells, records in table() if cells[0].startswith(begins)]
    assert len(found) == 1, f"{len(found)} rows begin with {begins!r}"
    return found[0]


def printed_in(text):
    """The numbers on the page as they are printed; years in brackets are no figures."""
    return NUMBER.findall(re.sub(r"\(\d{4}\)", "", text))


def agrees(printed, value):
    """Whether a number on the page is a figure of a record, rounded as it is printed.

    Zeros at the end of a whole number may be rounding, but two digits say something at least.
    """
    digits = printed.replace(",", "").replace("−", "-")
    _, _, decimals = digits.partition(".")
    zeros = min(len(digits) - len(digits.rstrip("0")), max(len(digits.lstrip("+-")) - 2, 0))
    places = len(decimals) if decimals else -zeros
    return math.isclose(float(digits), round(float(value), places), abs_tol=1e-9)


def disagreements(text, values):
    """What a row prints beside what its records hold, where the two differ."""
    printed, values = printed_in(text), list(values)
    if len(printed) != len(values):
        return [(printed, values)]
    return [(p, v) for p, v in zip(printed, values, strict=True) if not agrees(p, v)]


def test_every_row_of_the_table_is_compared():
    begins = [cells[0] for cells, _ in table()]
    assert len(begins) == len(ROWS)
    assert not [cell for cell in begins if not cell.startswith(tuple(ROWS))]


@pytest.mark.parametrize("begins", ROWS)
def test_a_row_prints_what_its_records_hold(begins):
    cells, records = row_that_begins(begins)
    used = []

    def of(name):
        used.append(name)
        return load_result(name)

    values = list(ROWS[begins](of))
    assert not disagreements(" | ".join(cells), values)
    assert set(used) == set(records), "the row names other records"


def test_the_notebooks_table_says_what_running_them_took():
    """Seconds and memory, of every notebook; one that was not run for the record says so."""
    row = re.compile(r"\| \[\w+\]\(notebooks/(\w+)\.ipynb\) .* \| ([\w. ]+) \| ([\w. ]+) \|")
    printed = {
        m[1]: (m[2], m[3]) for m in map(row.match, README.read_text("utf-8").split("\n")) if m
    }
    assert set(printed) == {path.stem for path in README.parent.glob("notebooks/*.ipynb")}
    rows = load_result("notebook_runs")["rows"]
    measured = {r["notebook"]: (f"{r['seconds']:.0f}", f"{r['memory_gb']:.1f}") for r in rows}
    assert printed == {name: measured.get(name, ("not measured",) * 2) for name in printed}


def test_the_class_s_table_says_what_was_measured():
    """CLASS.md has a line for each row of the record, and a column for each figure."""
    guide = (README.parent / "CLASS.md").read_text("utf-8")
    figures = ["start_seconds", "slowest_cell_seconds", "page_seconds", "page_cpu_seconds"]
    figures += ["memory_mb", "all_memory_mb", "loop_steps_per_second"]
    for row in load_result("class_of_ten")["rows"]:
        begins = f"| {row['users']} | {row['threads']} |"
        (line,) = [line for line in guide.split("\n") if line.startswith(begins)]
        found = {f: row[f] for f in figures if row[f] != "not measured"}
        values = [v / (1000 if f.endswith("_mb") else 1) for f, v in found.items()]  # GB
        assert not disagreements(line, [row["users"], *values])
        assert line.count("not measured") == len(figures) - len(found)


@pytest.mark.parametrize("begins", ROWS)
def test_one_wrong_digit_in_a_row_is_seen(begins):
    cells, _ = row_that_begins(begins)
    text, values = " | ".join(cells), list(ROWS[begins](load_result))
    for found in NUMBER.finditer(text):
        if re.fullmatch(r"\(\d{4}\)", text[found.start() - 1 : found.end() + 1]):
            continue
        last = found.end() - 1
        wrong = text[:last] + str((int(text[last]) + 1) % 10) + text[last + 1 :]
        assert disagreements(wrong, values), found[0]


@pytest.mark.parametrize(
    ("printed", "value", "right"),
    [
        ("−93.9", -93.93, True),
        ("−93.9", 93.93, False),
        ("+0.03", 0.0271, True),
        ("0.02", 0.0271, False),
        ("4,000", 4016.8, True),
        ("4,000", 4061.0, False),
        ("10,000", 10_400, True),
        ("200", 198, True),
        ("200", 194, False),
        ("20", 21, False),
        ("12", "12", True),
    ],
)
def test_numbers_agree_as_they_are_printed(printed, value, right):
    assert agrees(printed, value) is right


# --- a record that no row prints -----------------------------------------------------------------


def test_the_record_of_the_four_parts_adds_up():
    """Gains are differences from the baseline of the same seed; gaps are differences as well."""
    record = load_result("four_parts")
    rows = {row["part"]: row for row in record["rows"]}
    assert list(rows) == ["baseline", "decoder", "encoder", "posterior", "marginal"]
    for row in rows.values():
        assert [run["seed"] for run in row["runs"]] == record["seeds"] == [0, 1, 2]
        for run, beside in zip(row["runs"], rows["baseline"]["runs"], strict=True):
            for name in ("elbo", "log_p"):
                assert run[f"gain_{name}"] == pytest.approx(run[name] - beside[name], abs=1e-6)
                assert run[f"gain_{name}_se"] < run[f"{name}_se"]  # pairs differ by less
    for seed in record["diagnosis"]["per seed"]:
        refined = seed["elbo_refined"]
        assert seed["amortization_gap"] == pytest.approx(refined - seed["elbo"], abs=1e-4)
        assert seed["approximation_gap"] == pytest.approx(seed["log_p"] - refined, abs=1e-4)
        assert seed["marginal_kl_at_least"] < seed["marginal_kl"]
        assert seed["information"] <= math.log(seed["marginal_kl_images"])
    for part in ("decoder", "encoder", "posterior", "marginal"):  # as notebook 07 says
        for name in ("gain_elbo", "gain_log_p"):
            gains = [run[name] for run in rows[part]["runs"]]
            assert max(gains) - min(gains) <= 0.305
    chosen = [(c["part"], c["name"]) for c in record["choices"]["rows"] if c["chosen"]]
    assert chosen == [(part, row["name"]) for part, row in rows.items()]


@pytest.mark.skipif(
    not (CHECKOUT / "data" / "results" / "stronger_parts.json").exists(), reason="not measured yet"
)
def test_the_record_of_the_stronger_parts_adds_up():
    """Gains are differences from the baseline of the same seed; what was chosen has a row."""
    record = load_result("stronger_parts")
    rows = {row["row"]: row for row in record["rows"]}
    assert next(iter(rows)) == "baseline" and record["digits"] == 10_000
    for row in rows.values():
        assert [run["seed"] for run in row["runs"]] == record["seeds"]
        for run, beside in zip(row["runs"], rows["baseline"]["runs"], strict=True):
            assert run["elbo"] < run["log_p"]
            for name in ("elbo", "log_p"):
                assert run[f"gain_{name}"] == pytest.approx(run[name] - beside[name], abs=1e-6)
                assert run[f"gain_{name}_se"] < run[f"{name}_se"]  # pairs differ by less
    chosen = [(c["row"], c["name"]) for c in record["choices"]["rows"] if c["chosen"]]
    assert all(rows[row]["name"] == name for row, name in chosen)


def test_the_record_of_every_model_adds_up():
    """A probability is below 0 in nats; PPCA's density is the one that is known; counts add up."""
    record = load_result("every_model")
    rows = {row["name"]: row for row in record["rows"]}
    assert len(rows) == len(record["rows"])
    for row in rows.values():
        assert {run["seed"] for run in row["runs"]} <= set(record["seeds"])
        for run in row["runs"]:
            assert (run["log_p"] is None) == (row["likelihood"] == "") and row["how"]
            assert row["likelihood"] != "probability" or run["log_p"][0] < 0
            assert (run["reconstruction"] is None) == bool(row["no_reconstruction"])
            assert sum(run["class_counts"]) == record["plan"]["samples"]
            for name in ("judge_pixels", "judge_features", "precision", "recall"):
                share, asked = run[name][0], record["plan"]["samples"]
                assert run[name][1] == pytest.approx((share * (1 - share) / asked) ** 0.5)
    for run in rows["PPCA"]["runs"]:  # all test digits: 306.55
        assert abs(run["log_p"][0] - 306.55) < 4.5 * run["log_p"][1]
    judges = ("judge_pixels", "judge_features")
    alike = [run[on] for run in rows["real digits"]["runs"] for on in judges]
    assert all(abs(share - 0.5) < 4.5 * error for share, error in alike)


def test_log_z_of_the_boltzmann_machines_does_not_depend_on_the_number_of_temperatures():
    record = load_result("boltzmann_table")
    few, many = record["plan"]["temperatures"]
    assert few >= 15_000 and many == 2 * few
    found = {(row["name"], row["temperatures"]): row for row in record["rows"]}
    for name in {row["name"] for row in record["rows"]}:
        one, other = found[name, few], found[name, many]
        error = math.hypot(one["log_z_error"], other["log_z_error"])
        assert abs(one["log_z"] - other["log_z"]) < 3 * error
    for row in record["bounds"]:  # from below, within what chance allows
        assert row["lower_than_ais_by"] > -3 * row["its_error"]


def test_the_record_of_adversarial_codes_is_as_notebook_10b_says():
    """Three seeds of each model; with each seed the judged cloud is nearer to the prior."""
    record = load_result("adversarial_codes")
    right = {(row["model"], row["seed"]): row for row in record["codes"]["rows"]}
    seeds = record["seeds"]
    assert set(right) == {(m, s) for m in ("VAE", "adversarial") for s in seeds}
    for row in right.values():
        share, judged = row["right"], record["codes"]["judged"]
        assert row["right_se"] == pytest.approx(math.sqrt(share * (1 - share) / judged))
    for seed in seeds:
        assert 0.5 < right["adversarial", seed]["right"] < right["VAE", seed]["right"] - 0.03
        assert right["adversarial", seed]["kl_by_judge"] < 0.2 * right["VAE", seed]["kl_by_judge"]
    alike = {(row["model"], row["seed"]): row for row in record["likeness"]["rows"]}
    for seed in seeds:  # each is nearer where it was trained, and the judge raises the contrast
        learned, vae_gan = alike["VAE, σ² learned", seed], alike["VAE/GAN", seed]
        assert learned["pixels"] < vae_gan["pixels"] < alike["VAE, σ² = 1", seed]["pixels"]
        assert vae_gan["features"] < learned["features"] < alike["VAE, σ² = 1", seed]["features"]
        assert vae_gan["contrast"] > learned["contrast"] + 0.1
    smile = {(row["model"], row["seed"]): row for row in record["smile"]["rows"]}
    assert set(smile) == {(m, s) for m in ("VAE", "adversarial", "VAE/GAN") for s in seeds}
    groups = {row["groups"] for row in smile.values()}
    assert groups == {record["smile"]["groups"]} and 1.5 < groups.pop() < 1.8
