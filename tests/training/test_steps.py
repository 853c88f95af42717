"""What makes training fast leaves its results alone: schedule, precision, captured steps."""

import copy
import io
import itertools
import statistics
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import ClassVar

import pytest
import torch
from helpers.runs import SMALL_MODELS, assert_same, grey_rows, scores_of, small_vae, weights_of
from torch import nn
from tqdm import tqdm

from course_utils import training
from course_utils.data import load_digits
from course_utils.models import VAE
from course_utils.session import own_seed
from course_utils.training import fit, one_cycle


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


# --- the schedule ---


@pytest.mark.parametrize("peak", [3e-3, 1.0])
@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 6, 9, 10, 11, 250, 1_201])
def test_schedule_is_torch_s_own(steps, peak):
    """Bit for bit. Torch divides by zero where a fifth of the steps is exactly one step."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, peak, steps, pct_start=0.2 + 1e-9, cycle_momentum=False
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
    monkeypatch.setattr(training, "has_bfloat16", lambda device: there)
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
    monkeypatch.setattr(training, "has_bfloat16", lambda device: True)
    data, ends = grey_rows(), []
    model = small_vae()
    torch.manual_seed(3)
    fit(model, data, 2, 20, precision="bfloat16", progress=False)
    ends.append(weights_of(model))
    model = small_vae()
    torch.manual_seed(3)
    optimizer, step = torch.optim.Adam(model.parameters(), fused=True), itertools.count()
    for _ in range(2):
        for rows in torch.randperm(50).split(20):
            with torch.autocast("cpu", torch.bfloat16):
                mean_loss = model.loss(data[0][rows].float() / 255).mean()
            optimizer.zero_grad()
            mean_loss.backward()
            optimizer.param_groups[0]["lr"] = one_cycle(next(step), 6, 1e-2)
            optimizer.step()
    assert_same(ends[0], model.state_dict())


@pytest.mark.parametrize("build", SMALL_MODELS.values(), ids=SMALL_MODELS)
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
    assert not training.has_bfloat16(torch.device("mps"))
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    for capabilities, expected in (({}, False), ({"avx2": True}, False), ({"bf16": True}, True)):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda c=capabilities: c, raising=False)
        assert training.has_bfloat16(torch.device("cpu")) is expected
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)  # an older torch
    assert not training.has_bfloat16(torch.device("cpu"))


@pytest.mark.slow
@pytest.mark.parametrize("low", ["medium", "bfloat16"])
def test_lower_precision_learns_as_well_within_the_spread_of_seeds(monkeypatch, low):
    """Whatever the processor makes of "medium": bfloat16, wider vectors, or nothing."""
    monkeypatch.setattr(training, "has_bfloat16", lambda device: True)
    digits = load_digits("auto")
    data = digits.train_images[:6_000], digits.test_images[:2_000]
    ends = {"highest": [], low: []}
    for seed, precision in itertools.product(range(3), ends):
        torch.manual_seed(seed)
        model = VAE(10, 200)
        history = fit(model, data, 4, 100, binarize="dynamic", precision=precision, progress=False)
        ends[precision].append(history.column("test_elbo")[-1])
    spread = max(ends["highest"]) - min(ends["highest"])
    assert abs(statistics.mean(ends[low]) - statistics.mean(ends["highest"])) < spread


# --- captured steps ---


class PretendCaptured(training._CapturedSteps):
    """The bookkeeping of captured steps without a GPU: a replay calls the recorded steps again.

    Rates in float64, as the plain steps have them, so that the results can be compared exactly.
    """

    replays = 0

    def __init__(self, *parts):
        super().__init__(*parts)
        self.rates = self.rates.double()

    def record(self, order, rates, bar):
        training._Steps.run(self, order, rates, bar)

        def replay():
            PretendCaptured.replays += 1
            self.recorded_steps()

        return replay


@pytest.fixture
def pretend(monkeypatch):
    """Call it to let `fit` capture, three steps in a replay."""
    monkeypatch.setattr(training, "PER_REPLAY", 3)
    monkeypatch.setattr(PretendCaptured, "replays", 0)

    def start():
        monkeypatch.setattr(training, "_pick_steps", lambda _, *parts: PretendCaptured(*parts))

    return start


@pytest.mark.parametrize("binarize", ["none", "dynamic"])
@pytest.mark.parametrize(
    ("images", "replays"),  # of 4 rows a step, in two epochs, after three single steps
    [(24, 1 + 2), (48, 3 + 4), (50, 3 + 4), (52, 3 + 4), (46, 2 + 3)],
)
def test_captured_steps_are_the_single_steps(pretend, images, replays, binarize):
    """With whole batches and short last ones, with steps left over and without: bit for bit."""
    runs = []
    for captured in (False, True):
        if captured:
            pretend()
        model = small_vae()
        torch.manual_seed(3)
        data = grey_rows(n_train=images)
        history = fit(model, data, 2, 4, binarize=binarize, progress=False)
        runs.append((weights_of(model), scores_of(history), torch.rand(3)))
    (weights, scores, draw), (captured_weights, captured_scores, captured_draw) = runs
    assert PretendCaptured.replays == replays
    assert_same(captured_weights, weights)
    assert captured_scores == scores
    assert torch.equal(captured_draw, draw)


def test_captured_run_resumes_bit_for_bit(pretend):
    pretend()
    ends = []
    for stop in (None, 1, 2):

        def interrupt(model, row, stop=stop):
            if row["epoch"] == stop:
                raise KeyboardInterrupt

        model = small_vae()
        torch.manual_seed(3)
        plan = {"epochs": 3, "batch_size": 4, "binarize": "dynamic", "progress": False}
        history = fit(model, grey_rows(), **plan, after_epoch=interrupt)
        if stop:
            state = history.training_state["optimizer"]["param_groups"][0]
            assert isinstance(state["lr"], float)  # no buffer's address in a checkpoint
            torch.manual_seed(99)
            history = fit(model, grey_rows(), **plan, resume=history)
        ends.append((weights_of(model), scores_of(history)))
    for weights, scores in ends[1:]:
        assert_same(weights, ends[0][0])
        assert scores == ends[0][1]


def test_mean_loss_and_bar_count_every_captured_step(pretend):
    pretend()
    model, data = small_vae(), grey_rows()[0]
    optimizer = torch.optim.Adam(model.parameters(), fused=True)

    def loss(model, x):
        return x.sum(-1) + 0 * model.decoder[-1].bias.sum()

    steps = PretendCaptured(model, data, loss, optimizer, 4, False)
    with tqdm(file=io.StringIO(), total=26) as bar:
        for _ in range(2):
            found = steps.epoch([1e-3] * 13, bar)
            assert found == pytest.approx(data.double().sum(1).mean().item() / 255, rel=1e-6)
    assert bar.n == 26


def test_only_cuda_captures():
    optimizer = torch.optim.Adam(small_vae().parameters())
    parts = (small_vae(), grey_rows(500)[0], training.default_loss, optimizer, 4, False)
    for capture in (None, True, False):
        assert type(training._pick_steps(capture, *parts)) is training._Steps


class PretendCuda:
    """What `_CapturedSteps` asks of `torch.cuda`, on the CPU: notes the calls, runs the work."""

    def __init__(self, monkeypatch):
        self.calls, self.mode = [], "default"
        for name, stand_in in {
            "get_rng_state": lambda device: torch.get_rng_state(),
            "set_rng_state": lambda state, device: torch.set_rng_state(state),
            "get_sync_debug_mode": lambda: self.mode,
            "set_sync_debug_mode": self.set_mode,
            "current_stream": lambda device: self.stream("main"),
            "Stream": lambda device: self.stream("beside"),
            "stream": lambda s: self.within(s.name),
            "CUDAGraph": lambda: SimpleNamespace(replay=lambda: self.calls.append("replay")),
            "graph": lambda graph, stream: self.within(f"capture on {stream.name}"),
        }.items():
            monkeypatch.setattr(torch.cuda, name, stand_in)

    def set_mode(self, mode):
        self.mode = mode

    def stream(self, name):
        note = self.calls.append
        return SimpleNamespace(name=name, wait_stream=lambda o: note(f"{name} awaits {o.name}"))

    @contextmanager
    def within(self, name):
        self.calls.append(name)
        yield
        self.calls.append(f"end of {name}")


def captured_steps(loss=training.default_loss) -> training._CapturedSteps:
    model = small_vae()
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    return training._CapturedSteps(model, grey_rows()[0], loss, optimizer, 4, True)


def test_first_steps_are_taken_beside_and_the_next_recorded(monkeypatch):
    cuda, steps = PretendCuda(monkeypatch), captured_steps()
    group = steps.optimizer.param_groups[0]

    def note():
        cuda.calls.append(f"recorded, capturable {group['capturable']}")
        group["lr"] = steps.rates[-1]

    monkeypatch.setattr(steps, "recorded_steps", note)
    with tqdm(disable=True) as bar:
        steps.record(torch.arange(12), [1e-3] * 3, bar)()
    assert cuda.calls == [
        *("beside awaits main", "beside", "end of beside", "main awaits beside"),
        *("capture on beside", "recorded, capturable True", "end of capture on beside", "replay"),
    ]
    assert group["capturable"] is False and isinstance(group["lr"], float)
    assert {state["step"].item() for state in steps.optimizer.state.values()} == {3}


@pytest.mark.parametrize("fails", [False, True])
def test_rehearsal_forbids_waiting_and_leaves_no_trace(monkeypatch, fails):
    modes = []

    def loss(model, x):
        modes.append(cuda.mode)
        torch.rand(5)
        if fails:
            raise RuntimeError("called a synchronizing CUDA operation")
        return model.loss(x)

    cuda, steps = PretendCuda(monkeypatch), captured_steps(loss)
    before, random = weights_of(steps.model), torch.get_rng_state()
    with pytest.raises(RuntimeError, match="synchronizing") if fails else nullcontext():
        steps.rehearse()
    assert modes == ["error"] and cuda.mode == "default"
    assert torch.equal(torch.get_rng_state(), random)
    assert_same(steps.model.state_dict(), before)


@pytest.mark.parametrize(
    ("capture", "own_loss", "rows", "obstacle", "captured"),
    [
        (None, False, 92, None, True),
        (None, True, 92, None, False),
        (True, True, 92, None, True),
        (False, False, 92, None, False),
        (None, False, 91, None, False),  # 3 single steps and 20 to replay, of 4 rows each
        (None, False, 92, "it waits\nsee there", False),
    ],
)
def test_steps_are_captured_where_wanted_possible_and_enough(
    monkeypatch, capsys, capture, own_loss, rows, obstacle, captured
):
    class Plain:
        batch_size = 4
        loss = staticmethod((lambda m, x: m.loss(x)) if own_loss else training.default_loss)
        train = type("Rows", (), {"__len__": lambda _: rows, "device": torch.device("cuda")})()

    class Captured(Plain):
        def rehearse(self):
            if obstacle:
                raise RuntimeError(obstacle)

    monkeypatch.setattr(training, "_Steps", Plain)
    monkeypatch.setattr(training, "_CapturedSteps", Captured)
    assert type(training._pick_steps(capture)) is (Captured if captured else Plain)
    said = "The steps run one by one, they cannot be captured: it waits\n" if obstacle else ""
    assert capsys.readouterr().out == said


# --- on a GPU ---


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")
class TestCapturedOnCuda:
    PLAN: ClassVar = {"epochs": 3, "batch_size": 20, "binarize": "dynamic"}
    PLAN |= {"progress": False, "capture": None}
    ROWS = 20 * 95 + 7  # two or three replays an epoch, steps left over, a short last batch

    def run(self, monkeypatch=None, **changes):
        """Weights, scores and number of replays of one run."""
        replays, record = itertools.count(), training._CapturedSteps.record

        def count(self, *args):
            replay = record(self, *args)
            return lambda: (next(replays), replay())

        if monkeypatch:
            monkeypatch.setattr(training._CapturedSteps, "record", count)
        model = small_vae().cuda()
        torch.manual_seed(3)
        history = fit(model, grey_rows(self.ROWS, 300), **{**self.PLAN, **changes})
        return weights_of(model), scores_of(history), next(replays)

    def assert_close(self, one, other):
        """Within float32's rounding over 300 steps: sums come in another order."""
        for name, weight in one[0].items():
            torch.testing.assert_close(weight, other[0][name], rtol=1e-3, atol=1e-4)
        for row, expected in zip(one[1], other[1], strict=True):
            assert row == pytest.approx(expected, rel=1e-4)

    def test_captured_run_is_the_plain_one(self, monkeypatch):
        plain = self.run(capture=False)
        captured = self.run(monkeypatch)
        assert captured[2] == 4 + 4 + 4
        self.assert_close(captured, plain)

    def test_random_numbers_are_those_of_single_steps(self):
        """A loss that is nothing but noise: its mean tells every draw."""

        def noise(model, x):
            return torch.rand(len(x), device=x.device) + 0 * model.decoder[-1].bias.sum()

        rows, parts = grey_rows(self.ROWS)[0].cuda(), []
        for steps in (training._Steps, training._CapturedSteps):
            model = small_vae().cuda()
            optimizer = torch.optim.Adam(model.parameters(), fused=True)
            torch.manual_seed(3)
            stepper = steps(model, rows, noise, optimizer, 20, True)
            with tqdm(disable=True) as bar:
                means = [stepper.epoch([0.0] * 96, bar) for _ in range(2)]
            parts.append((means, torch.rand(3, device="cuda").tolist()))
        assert parts[0][0] == pytest.approx(parts[1][0], rel=1e-6)
        assert parts[0][1] == parts[1][1]

    @pytest.mark.parametrize(
        "wait", [lambda t: t.item(), lambda t: t.cpu(), lambda t: bool(t > 0)]
    )
    def test_loss_that_waits_for_the_device_runs_step_by_step(self, wait, capsys, monkeypatch):
        def loss(model, x):
            losses = model.loss(x)
            wait(losses.mean())
            return losses

        found = self.run(monkeypatch, loss=loss, capture=True)
        assert "cannot be captured" in capsys.readouterr().out
        assert found[2] == 0
        self.assert_close(found, self.run(capture=False))
        torch.rand(3, device="cuda")  # the generator is in order

    def test_own_loss_is_captured_on_request_only(self, monkeypatch):
        def loss(model, x):
            return model.loss(x)

        assert self.run(monkeypatch, loss=loss)[2] == 0
        monkeypatch.undo()
        captured = self.run(monkeypatch, loss=loss, capture=True)
        assert captured[2] == 12
        self.assert_close(captured, self.run(capture=False))

    def test_nothing_waits_within_an_epoch(self):
        model, rows = small_vae().cuda(), grey_rows(self.ROWS)[0].cuda()
        optimizer = torch.optim.Adam(model.parameters(), fused=True)
        steps = training._CapturedSteps(model, rows, training.default_loss, optimizer, 20, True)
        with tqdm(disable=True) as bar:
            steps.epoch([1e-3] * 96, bar)
            order = torch.randperm(len(rows), device="cuda")
            table = torch.zeros(96, device="cuda")
            torch.cuda.set_sync_debug_mode("error")
            try:
                for first in range(0, 80, training.PER_REPLAY):
                    batch = order[first * 20 : (first + training.PER_REPLAY) * 20]
                    steps.rows.copy_(batch.view_as(steps.rows))
                    steps.rates.copy_(table[: training.PER_REPLAY])
                    steps.replay()
                training._Steps.run(steps, order[1600:], [1e-3] * 16, bar)
            finally:
                torch.cuda.set_sync_debug_mode("default")

    def test_resumed_run_is_the_uninterrupted_one(self):
        def interrupt(model, row):
            if row["epoch"] == 2:
                raise KeyboardInterrupt

        whole = self.run()
        model = small_vae().cuda()
        torch.manual_seed(3)
        data = grey_rows(self.ROWS, 300)
        history = fit(model, data, **self.PLAN, after_epoch=interrupt)
        history = copy.deepcopy(history)
        torch.manual_seed(99)
        history = fit(model, data, **self.PLAN, resume=history)
        self.assert_close((weights_of(model), scores_of(history)), whole)

    @pytest.mark.parametrize("precision", ["high", "medium", "bfloat16"])
    def test_lower_precision_learns_alike(self, precision):
        exact, fast = self.run(), self.run(precision=precision)
        assert fast[1][-1]["test_elbo"] == pytest.approx(exact[1][-1]["test_elbo"], rel=5e-3)

    def test_evaluation_between_epochs_leaves_the_graph_s_random_numbers(self):
        """`own_seed` sets the generator that the graph draws from, and puts it back."""
        torch.manual_seed(3)
        expected = torch.rand(3, device="cuda")
        torch.manual_seed(3)
        with own_seed(0):
            torch.rand(7, device="cuda")
        assert torch.equal(torch.rand(3, device="cuda"), expected)
