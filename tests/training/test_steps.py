"""What makes training fast leaves its results alone."""

import itertools
import statistics
from typing import ClassVar

import pytest
import torch
from helpers.runs import (
    CALLS_PER_EPOCH,
    PLAN,
    SMALL_MODELS,
    assert_same,
    grey_rows,
    run,
    scores_of,
    small_vae,
    weights_of,
)
from torch import nn

from course_utils.data import load_digits
from course_utils.models import VAE
from course_utils.session import own_seed
from course_utils.training import CheckpointError, fit, has_bfloat16, loop, one_cycle

# --- the schedule ---


@pytest.mark.parametrize("peak", [3e-3, 1.0])
@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 6, 9, 10, 11, 250, 1_201])
def test_schedule_is_torch_s_own(steps, peak):
    """Bit for bit. Torch divides by zero where a fifth of the steps is exactly one step."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        peak,
        steps,
        pct_start=0.2 + 1e-9,
        anneal_strategy="linear",
        cycle_momentum=False,
    )
    for step in range(steps):
        assert one_cycle(step, steps, peak) == theirs.get_last_lr()[0]
        optimizer.step()
        if step < steps - 1:
            theirs.step()


def test_schedule_rises_to_the_peak_in_a_fifth_of_the_run_and_falls_to_nothing():
    rates = [one_cycle(step, 1_000, 0.5) for step in range(1_000)]
    top = rates.index(max(rates))
    assert top == 199 and rates[top] == pytest.approx(0.5)
    assert rates[0] == pytest.approx(0.5 / 25) and rates[-1] == pytest.approx(0.5 / 250_000)
    assert rates[:200] == sorted(rates[:200]) and rates[199:] == sorted(rates[199:])[::-1]


# --- precision ---


@pytest.fixture
def own_precision():
    """Torch's setting belongs to the whole process: put it back whatever the test does."""
    before = torch.get_float32_matmul_precision()
    yield
    torch.set_float32_matmul_precision(before)


class Precisions:
    """The model's own loss, which notes the precision that it is called with."""

    def __init__(self, stop: int | None = None):
        self.training, self.scoring, self.stop = [], [], stop

    def __call__(self, model, x):
        seen = self.training if torch.is_grad_enabled() else self.scoring
        seen.append(torch.get_float32_matmul_precision())
        if len(self.training) == self.stop:
            raise KeyboardInterrupt
        return model.loss(x)


@pytest.mark.parametrize("stop", [None, 2])
@pytest.mark.parametrize("before", ["highest", "high"])
@pytest.mark.parametrize("precision", [None, "highest", "medium"])
def test_precision_holds_while_training_and_is_put_back(own_precision, precision, before, stop):
    torch.set_float32_matmul_precision(before)
    loss = Precisions(stop)
    fit(small_vae(), grey_rows(), 2, 20, loss=loss, precision=precision, progress=False)
    assert set(loss.training) == {precision or before}
    assert set(loss.scoring) <= {before}
    assert torch.get_float32_matmul_precision() == before


def test_precision_is_put_back_after_an_error(own_precision):
    def loss(model, x):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fit(small_vae(), grey_rows(), 2, loss=loss, precision="medium", progress=False)
    assert torch.get_float32_matmul_precision() == "highest"


@pytest.mark.parametrize("there", [True, False])
def test_bfloat16_is_used_where_the_device_has_it_and_said_where_not(
    monkeypatch, capsys, own_precision, there
):
    """Products in bfloat16, and what leaves the networks in float32; scores without autocast."""
    monkeypatch.setattr(loop, "has_bfloat16", lambda device: there)
    dtypes = {"training": set(), "scoring": set()}

    def loss(model, x):
        seen = dtypes["training" if torch.is_grad_enabled() else "scoring"]
        seen.add((model.encoder(x).dtype, model.encode(x)[0].dtype, model.decode(x[:, :2]).dtype))
        return model.loss(x)

    plan = {"loss": loss, "precision": "bfloat16", "progress": False}
    history = fit(small_vae(), grey_rows(), 2, 20, **plan)
    low = torch.bfloat16 if there else torch.float32
    assert dtypes["training"] == {(low, torch.float32, torch.float32)}
    assert dtypes["scoring"] == {(torch.float32,) * 3}
    assert history.training_state["plan"]["precision"] == ("bfloat16" if there else "medium")
    said = (
        "" if there else 'No bfloat16 instructions here: training goes on with precision="medium".'
    )
    assert capsys.readouterr().out.strip() == said


def test_bfloat16_steps_are_those_of_a_loop_written_out(monkeypatch):
    """Each step with copies of the weights as the last one left them."""
    monkeypatch.setattr(loop, "has_bfloat16", lambda device: True)
    data, ends = grey_rows(), []
    model = small_vae()
    torch.manual_seed(3)
    fit(model, data, 2, 20, precision="bfloat16", progress=False)
    ends.append(weights_of(model))
    model = small_vae()
    torch.manual_seed(3)
    optimizer = torch.optim.Adam(model.parameters(), betas=(0.9, 0.99), fused=True)
    step = itertools.count()
    for _ in range(2):
        for rows in torch.randperm(50).split(20):
            with torch.autocast("cpu", torch.bfloat16):
                mean_loss = model.loss(data[0][rows].float() / 255).mean()
            optimizer.zero_grad()
            mean_loss.backward()
            optimizer.param_groups[0]["lr"] = one_cycle(next(step), 6, 1e-2)
            optimizer.step()
    assert_same(ends[0], model.state_dict())


WITH_A_LOSS = {name: build for name, build in SMALL_MODELS.items() if hasattr(build(), "loss")}


@pytest.mark.parametrize("build", WITH_A_LOSS.values(), ids=WITH_A_LOSS)
def test_bfloat16_products_change_a_model_s_loss_by_their_rounding_only(build):
    """Eight bits in each product; sums over 784 pixels as exact as ever."""
    model = build()
    x = torch.rand(64, model.data_dim)
    losses = []
    for low in (False, True):
        torch.manual_seed(1)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=low):
            losses.append(model.loss(x))
    assert losses[0].dtype == losses[1].dtype == torch.float32
    assert not torch.equal(*losses)
    torch.testing.assert_close(losses[1], losses[0], rtol=2**-7, atol=2**-7)


def test_devices_without_matrix_units_have_no_bfloat16(monkeypatch):
    assert not has_bfloat16(torch.device("mps"))
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    for capabilities, expected in (({}, False), ({"avx2": True}, False), ({"bf16": True}, True)):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda c=capabilities: c, raising=False)
        assert has_bfloat16(torch.device("cpu")) is expected
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)  # an older torch
    assert not has_bfloat16(torch.device("cpu"))


@pytest.mark.slow
@pytest.mark.digits
@pytest.mark.parametrize("low", ["medium", "bfloat16"])
def test_lower_precision_learns_as_well_within_the_spread_of_seeds(monkeypatch, low):
    """Whatever the processor makes of "medium": bfloat16, wider vectors, or nothing."""
    monkeypatch.setattr(loop, "has_bfloat16", lambda device: True)
    digits = load_digits("auto")  # every other pixel of them: bfloat16 may be emulated, slowly
    data = digits.train_images[:2_000, ::2, ::2], digits.test_images[:1_000, ::2, ::2]
    ends = {"highest": [], low: []}
    for seed, precision in itertools.product(range(3), ends):
        torch.manual_seed(seed)
        model = VAE(5, 50, data_dim=14 * 14)
        history = fit(model, data, 4, 100, binarize="dynamic", precision=precision, progress=False)
        ends[precision].append(history.column("test_elbo")[-1])
    spread = max(ends["highest"]) - min(ends["highest"])
    assert abs(statistics.mean(ends[low]) - statistics.mean(ends["highest"])) < spread


# --- compiled steps ---


@pytest.fixture
def traced(monkeypatch):
    """torch.compile without a compiler: steps are traced in earnest, and run as torch would."""
    compiled, compile_in_earnest = [], torch.compile

    def trace(function, **options):
        assert options == {"mode": "reduce-overhead", "dynamic": False}
        traced_one = compile_in_earnest(function, backend="eager", dynamic=False)

        def call(rows):
            compiled.append(len(rows))
            return traced_one(rows)

        return call

    torch.compiler.reset()
    monkeypatch.setattr(torch, "compile", trace)
    yield compiled
    torch.compiler.reset()


@pytest.mark.slow
@pytest.mark.parametrize("binarize", ["none", "dynamic"])
@pytest.mark.parametrize("n_train", [48, 50])
def test_compiled_steps_are_the_steps_as_written(traced, n_train, binarize):
    """With whole batches and a short last one, which is never compiled: bit for bit."""
    runs, plan = [], {"binarize": binarize, "batch_size": 16, "epochs": 2, "progress": False}
    for compiled in (False, True):
        model = small_vae()
        torch.manual_seed(3)
        history = fit(model, grey_rows(n_train), compiled=compiled, **plan)
        runs.append((weights_of(model), scores_of(history), torch.rand(3)))
    (weights, scores, draw), (compiled_weights, compiled_scores, compiled_draw) = runs
    assert traced == 2 * 3 * [16]
    assert_same(compiled_weights, weights)
    assert compiled_scores == scores
    assert torch.equal(compiled_draw, draw)


def test_compiled_run_resumes_bit_for_bit_and_as_nothing_else(traced):
    def interrupt(model, row):
        if row["epoch"] == 1:
            raise KeyboardInterrupt

    ends = []
    for after_epoch in (None, interrupt):
        model = small_vae()
        torch.manual_seed(3)
        history = fit(model, grey_rows(), compiled=True, after_epoch=after_epoch, **PLAN)
        if history.interrupted:
            with pytest.raises(CheckpointError, match=r"compiled True \(now False\)"):
                fit(model, grey_rows(), resume=history, **PLAN)
            torch.manual_seed(99)
            history = fit(model, grey_rows(), compiled=True, resume=history, **PLAN)
        ends.append((weights_of(model), scores_of(history)))
    assert_same(ends[1][0], ends[0][0])
    assert ends[1][1] == ends[0][1]


@pytest.mark.parametrize("moment", ["forward", "backward"])
def test_what_cannot_be_compiled_runs_as_written(monkeypatch, capsys, moment):
    """It says so once; what the attempt drew and added to the gradient is taken back."""

    def broken(function, **_):
        def call(rows):
            loss = function(rows)
            if moment == "forward":
                raise RuntimeError("no compiler here\nsee there")
            loss.register_hook(lambda g: 1 / 0)
            return loss

        return call

    ends = []
    for compiled in (False, True):
        model = small_vae()
        torch.manual_seed(3)
        if compiled:
            monkeypatch.setattr(torch, "compile", broken)
        history = fit(model, grey_rows(), compiled=compiled, **PLAN)
        ends.append((weights_of(model), scores_of(history)))
    assert_same(ends[1][0], ends[0][0])
    assert ends[1][1] == ends[0][1]
    why = "no compiler here" if moment == "forward" else "division by zero"
    assert capsys.readouterr().out == (f"The steps are not compiled, they run as written: {why}\n")


def test_an_error_of_the_loss_is_its_own(traced):
    def loss(model, x):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        fit(small_vae(), grey_rows(), loss=loss, compiled=True, **PLAN)


@pytest.mark.publish
@pytest.mark.filterwarnings("default")
def test_the_compiler_s_own_code_learns_the_same(capfd):
    """Other sums in another order: within float32's rounding over six steps."""
    ends = []
    for compiled in (False, True):
        model = small_vae()
        torch.manual_seed(3)
        plan = {"epochs": 2, "batch_size": 16, "progress": False}
        history = fit(model, grey_rows(48), compiled=compiled, **plan)
        ends.append(history.column("train_kl"))  # needs no draws: the compiler makes its own
    if "not compiled" in capfd.readouterr().out:
        pytest.skip("no compiler here")
    assert ends[1] == pytest.approx(ends[0], rel=0.05)


# --- threads ---


def test_a_run_keeps_its_number_of_threads_and_puts_torch_s_back(monkeypatch):
    """Also when it goes on where another number would be picked: sums would round otherwise."""
    before, seen = torch.get_num_threads(), []

    def loss(model, x):
        seen.append(torch.get_num_threads())
        if len(seen) == CALLS_PER_EPOCH + 1:
            raise KeyboardInterrupt
        return model.loss(x)

    monkeypatch.setattr(loop, "pick_threads", lambda: before + 1)
    history = run(small_vae(), loss=loss)
    assert history.interrupted and torch.get_num_threads() == before
    monkeypatch.setattr(loop, "pick_threads", lambda: before + 2)
    run(small_vae(), loss=loss, resume=history)
    assert set(seen) == {before + 1} and torch.get_num_threads() == before
    run(small_vae(), loss=loss)
    assert seen[-1] == before + 2


# --- on a GPU ---
# --- on a GPU ---


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")
class TestCompiledOnCuda:
    PLAN: ClassVar = {"epochs": 3, "batch_size": 20, "binarize": "none", "progress": False}
    ROWS = 20 * 95 + 7  # a short last batch

    def run(self, **changes):
        model = small_vae().cuda()
        torch.manual_seed(3)
        data = grey_rows(self.ROWS, 300)
        history = fit(model, data, **{"compiled": True, **self.PLAN, **changes})
        return weights_of(model), scores_of(history)

    def assert_close(self, one, other):
        """Within float32's rounding over 300 steps: sums come in another order."""
        for name, weight in one[0].items():
            torch.testing.assert_close(weight, other[0][name], rtol=1e-3, atol=1e-4)
        for row, expected in zip(one[1], other[1], strict=True):
            assert row == pytest.approx(expected, rel=1e-4)

    def test_compiled_run_learns_as_the_plain_one(self, capsys):
        """Its noise is its own: the two agree within what two seeds differ by."""
        plain, other_seed = self.run(compiled=False), self.run(compiled=False, batch_size=25)
        compiled = self.run()
        assert "not compiled" not in capsys.readouterr().out
        spread = abs(plain[1][-1]["test_elbo"] - other_seed[1][-1]["test_elbo"])
        miss = abs(plain[1][-1]["test_elbo"] - compiled[1][-1]["test_elbo"])
        assert miss < max(spread, 1e-3 * abs(plain[1][-1]["test_elbo"]))

    def test_resumed_run_is_the_uninterrupted_one(self):
        def interrupt(model, row):
            if row["epoch"] == 2:
                raise KeyboardInterrupt

        whole = self.run()
        model = small_vae().cuda()
        torch.manual_seed(3)
        data = grey_rows(self.ROWS, 300)
        history = fit(model, data, compiled=True, after_epoch=interrupt, **self.PLAN)
        torch.manual_seed(99)
        history = fit(model, data, compiled=True, resume=history, **self.PLAN)
        self.assert_close((weights_of(model), scores_of(history)), whole)

    @pytest.mark.parametrize("precision", ["high", "medium", "bfloat16"])
    def test_lower_precision_learns_alike(self, precision):
        exact, fast = self.run(compiled=False), self.run(precision=precision, compiled=False)
        assert fast[1][-1]["test_elbo"] == pytest.approx(exact[1][-1]["test_elbo"], rel=5e-3)

    def test_evaluation_between_epochs_leaves_the_random_numbers(self):
        """`own_seed` sets the generator that steps draw from, and puts it back."""
        torch.manual_seed(3)
        expected = torch.rand(3, device="cuda")
        torch.manual_seed(3)
        with own_seed(0):
            torch.rand(7, device="cuda")
        assert torch.equal(torch.rand(3, device="cuda"), expected)
