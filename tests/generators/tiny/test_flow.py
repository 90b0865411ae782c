"""Tests of the flow against values that are known from theory."""

import math

import pytest
import torch

from gensr_pref.aligning.pretrain import fm
from gensr_pref.aligning.pretrain.recipe import FlowShape
from gensr_pref.generators.tiny.bands import FEATURES, GAIN_BANDS
from gensr_pref.generators.tiny.encoder import Condition, regression_error, scale_error
from gensr_pref.generators.tiny.flow import (
    Flow,
    FlowConfig,
    base_noise,
    flow_matching_error,
    interpolate,
    solve,
)

SMALL = FlowConfig(
    encoder_width=16, encoder_dilations=(1, 2), velocity_width=16, velocity_dilations=(1,)
)


@pytest.fixture
def flow() -> Flow:
    torch.manual_seed(0)
    return Flow(SMALL).requires_grad_(False)


def test_interpolation_runs_from_noise_to_data() -> None:
    y_0, y_1 = torch.randn(2, 3, 5, 7).unbind()
    assert torch.equal(interpolate(y_0, y_1, torch.zeros(3)), y_0)
    assert torch.equal(interpolate(y_0, y_1, torch.ones(3)), y_1)


def test_the_error_of_the_true_velocity_is_zero(monkeypatch, flow) -> None:
    y_0, y_1 = torch.randn(2, 3, GAIN_BANDS, 7).unbind()
    monkeypatch.setattr(flow, "velocity", lambda y_t, t, condition, valid: y_1 - y_0)
    x = flow.condition(torch.randn(3, FEATURES, 7))
    assert flow_matching_error(flow, y_1, y_0, torch.rand(3), x).abs().max() == 0


def test_the_error_is_a_mean_without_a_factor_of_one_half(monkeypatch, flow) -> None:
    y_0, y_1 = torch.randn(2, 3, GAIN_BANDS, 7).unbind()
    monkeypatch.setattr(flow, "velocity", lambda y_t, t, condition, valid: y_1 - y_0 + 2)
    x = flow.condition(torch.randn(3, FEATURES, 7))
    error = flow_matching_error(flow, y_1, y_0, torch.rand(3), x)
    torch.testing.assert_close(error, torch.full((3,), 4.0))


def test_an_untrained_field_is_exact_for_gaussian_data(flow) -> None:
    """With a zero correction, the flow maps y_0 = noise to m + s noise."""
    m = torch.randn(1, GAIN_BANDS, 50)
    log_s = torch.randn(1, GAIN_BANDS, 50).clamp(-2, 0.5)
    condition = Condition(torch.zeros(1, SMALL.encoder_width, 50), m, log_s)
    y_0 = torch.randn(1, GAIN_BANDS, 50)
    y_1 = solve(flow, y_0, condition, 60, "midpoint")
    torch.testing.assert_close(y_1, m + log_s.exp() * y_0, atol=2e-3, rtol=0)


def test_midpoint_converges_faster_than_euler(flow) -> None:
    m = torch.zeros(1, GAIN_BANDS, 4)
    condition = Condition(torch.zeros(1, SMALL.encoder_width, 4), m, m - 0.5)
    y_0 = torch.ones(1, GAIN_BANDS, 4)
    error = {
        solver: float((solve(flow, y_0, condition, 8, solver) - math.exp(-0.5)).abs().max())
        for solver in ("euler", "midpoint")
    }
    assert error["midpoint"] < error["euler"] / 3


@pytest.mark.parametrize(("width", "sign"), [(0.2, 1), (5.0, -1)])
def test_the_gradient_of_the_error_fits_the_scale_to_the_data(flow, width, sign) -> None:
    """Alignment needs this to make a policy as cautious as the chosen candidates."""
    generator = torch.Generator().manual_seed(0)
    m, y_0, noise = torch.randn(3, 64, GAIN_BANDS, 50, generator=generator)
    log_s = torch.full_like(m, math.log(0.5)).requires_grad_()
    condition = Condition(torch.zeros(64, SMALL.encoder_width, 50), m, log_s)
    t = torch.rand(64, generator=generator)
    flow_matching_error(flow, m + width * 0.5 * noise, y_0, t, condition).sum().backward()
    assert sign * float(log_s.grad.sum()) > 0


def test_in_pretraining_the_scale_learns_from_its_own_loss_alone() -> None:
    flow = Flow(SMALL)
    x, y_1 = torch.randn(2, FEATURES, 20), torch.randn(2, GAIN_BANDS, 20)
    parts = fm.fm_losses(flow, FlowShape(), x, y_1, torch.Generator().manual_seed(0))
    scale = flow.encoder.leave.bias
    (of_all,) = torch.autograd.grad(parts["fm"], scale, retain_graph=True)
    (of_its_own,) = torch.autograd.grad(parts["s"], scale)
    assert not of_all[GAIN_BANDS:].any()
    assert of_its_own[GAIN_BANDS:].any()


def test_base_noise_has_unit_variance_and_a_shared_part() -> None:
    generator = torch.Generator().manual_seed(0)
    y_0 = base_noise((400, 40, 50), 0.25, generator)
    assert float(y_0.var()) == pytest.approx(1, abs=0.03)
    assert float(y_0.mean(-1).var()) == pytest.approx(0.25 + 0.75 / 50, abs=0.03)


def test_each_temperature_scales_its_own_part() -> None:
    def drawn(*temperatures: float) -> torch.Tensor:
        return base_noise((2, 40, 30), 0.25, torch.Generator().manual_seed(0), *temperatures)

    assert drawn(0, 1).std(-1).max() < 1e-6
    torch.testing.assert_close(drawn(0.5, 0) + drawn(0, 2), drawn(0.5, 2))
    torch.testing.assert_close(drawn(1, 1), drawn())


def test_regression_error_is_the_mean_square() -> None:
    y_1 = torch.randn(2, GAIN_BANDS, 5)
    condition = Condition(torch.zeros(2, 16, 5), y_1 + 3, y_1)
    torch.testing.assert_close(regression_error(condition, y_1), torch.full((2,), 9.0))


def test_rows_of_a_batch_are_independent(flow) -> None:
    x, y, t = torch.randn(3, FEATURES, 20), torch.randn(3, GAIN_BANDS, 20), torch.rand(3)
    together = flow.velocity(y, t, flow.condition(x))
    alone = flow.velocity(y[1:2], t[1:2], flow.condition(x[1:2]))
    torch.testing.assert_close(together[1:2], alone, atol=1e-4, rtol=1e-4)


def test_the_scale_that_fits_the_residual_is_the_best() -> None:
    y_1 = torch.zeros(1, GAIN_BANDS, 5)
    error = {
        s: float(scale_error(Condition(y_1, y_1 + 0.5, torch.full_like(y_1, math.log(s))), y_1))
        for s in (0.3, 0.5, 0.8)
    }
    assert min(error, key=error.__getitem__) == 0.5
