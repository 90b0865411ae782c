"""Pretraining of flow matching."""

from __future__ import annotations

import torch
from torch import Tensor

from gensr_pref.aligning.pretrain.recipe import FlowShape
from gensr_pref.generators.tiny.encoder import Condition, regression_error, scale_error
from gensr_pref.generators.tiny.flow import Flow, FlowConfig, base_noise, flow_matching_error


def new_fm_model(shape: FlowShape, sample_rate: int) -> Flow:
    """Return a network of that shape with random weights, for clips at a rate in Hz."""
    return Flow(
        FlowConfig(
            encoder_width=shape.encoder_width,
            encoder_dilations=shape.encoder_dilations,
            velocity_width=shape.velocity_width,
            velocity_dilations=shape.velocity_dilations,
            shared_noise=shape.shared_noise,
            sample_rate=sample_rate,
        )
    )


def fm_losses(
    flow: Flow, shape: FlowShape, x: Tensor, y_1: Tensor, generator: torch.Generator
) -> dict[str, Tensor]:
    """Return the loss of a batch and its parts; t is stratified over the draws.

    loss = fm + regression * (m + s / 10): the flow-matching error, the encoder's regression error
    and the error of its scale.
    """
    rows = shape.draws * len(y_1)
    strata = torch.randperm(rows, generator=generator)
    t = (strata + torch.rand(rows, generator=generator)) / rows
    y_1s = y_1.repeat(shape.draws, 1, 1)
    y_0 = base_noise(y_1s.shape, flow.config.shared_noise, generator)
    condition = flow.condition(x)
    fixed = condition._replace(log_scale=condition.log_scale.detach())  # learns only from `s`
    repeated = Condition(*(part.repeat(shape.draws, 1, 1) for part in fixed))
    matching = flow_matching_error(flow, y_1s, y_0, t, repeated).mean()
    m, s = regression_error(condition, y_1).mean(), scale_error(condition, y_1).mean()
    return {"loss": matching + shape.regression * (m + 0.1 * s), "fm": matching, "m": m, "s": s}
