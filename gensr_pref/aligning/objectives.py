"""The objectives: losses of pairs, as functions of how much more likely each side has become.

Notation: x a noisy clip, w its chosen and l its rejected side, p the policy and ref the frozen
model it started from. Every objective reads one number per side, the utility u, which is higher
the more the model prefers a side:

    ar, mgm    u(y) = log p(y | x)                     (arXiv 2505.04113, section 3.2)
    fm         u(y) = -e(y),  e(y) = mean over valid values of (v(y_t, t, x) - (y_1 - y_0))^2

and its gain over the reference, g(y) = u(y) - u_ref(y), at the same t, noise or mask for w and l,
for policy and reference. What beta multiplies depends on two conventions, which `Objective` of the
recipe states:

- **sum or mean over tokens.** `log p` of a clip is a sum over its tokens; ``reduction: mean``
  divides it by how many were counted, so the same beta then stands for a preference that is that
  many times weaker (8 groups and 250 frames: 2000 times). INTP's beta of 0.1 (ar) is of sums.
- **the factor 2 in flow matching.** e here is a mean of squares without a factor 1/2, and beta
  multiplies it as it is: beta = 1000 here is beta = 2000 for whoever writes e with 1/2, and the
  constant T/2 or the like that a derivation by diffusion steps puts before e is inside beta.

Where a pair has several draws of (t, noise) or of masks, g is averaged over them first: the average
is what estimates the log-likelihood ratio, whose sigmoid is asked for (the lower the variance, the
lower the bias: arXiv 2505.19223).
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def dpo(gain_w: Tensor, gain_l: Tensor, beta: float, label_smoothing: float = 0.0) -> Tensor:
    """Return the loss of direct preference optimisation (arXiv 2305.18290, equation 7): [P].

    L = -(1 - s) log sigma(beta (g_w - g_l)) - s log sigma(-beta (g_w - g_l)).

    s > 0 says that a share s of the labels is wrong (conservative DPO, Mitchell 2023). For flow
    matching this is INTP's -log sigma(-beta {[e(w) - e_ref(w)] - [e(l) - e_ref(l)]}).

    Args:
        gain_w, gain_l: [P] g of the chosen and of the rejected side.
        beta: how fast preference grows with g; see the module for its unit.
        label_smoothing: s, in [0, 0.5).
    """
    logit = beta * (gain_w - gain_l)
    right, wrong = -functional.logsigmoid(logit), -functional.logsigmoid(-logit)
    return (1 - label_smoothing) * right + label_smoothing * wrong


def ipo(gain_w: Tensor, gain_l: Tensor, beta: float) -> Tensor:
    """Return the loss of IPO (arXiv 2310.12036, equation 17) times beta squared: [P].

    L = (beta (g_w - g_l) - 1/2)^2 = beta^2 ((g_w - g_l) - 1 / (2 beta))^2.

    The margin is drawn to 1/2 and not beyond, so pairs that never disagree cannot drive it to
    infinity. The paper's own loss is L / beta^2; in this scale it is 1/4 at the start whatever beta
    is, so that an anchor weighs the same.
    """
    return (beta * (gain_w - gain_l) - 0.5).square()


def sft(utility_w: Tensor) -> Tensor:
    """Return the loss of fine-tuning on the chosen side alone, without a reference: [P].

    L = -u(w): cross-entropy for ``ar`` and ``mgm``, the flow-matching error for ``fm``. The
    baseline that DPO must beat (arXiv 2508.17229 reports that it does).
    """
    return -utility_w


def anchor(utility: Tensor) -> Tensor:
    """Return -u of the chosen side or of the clean target: [P]; keeps the policy a model of speech.

    It is added with a weight. u is a mean over tokens here whatever the preference uses, so the
    anchor is a cross-entropy in nats per token (GSEPF's L_CE, arXiv 2507.09929, of weight 1 beside
    DPO), or the flow-matching error.
    """
    return -utility


def accuracy(gain_w: Tensor, gain_l: Tensor) -> Tensor:
    """Return 1 where the policy gained more on the chosen side, else 0: [P]; a tie is 1/2."""
    return ((gain_w > gain_l).float() + (gain_w >= gain_l).float()) / 2


def drift_from_reference(gain_w: Tensor, gain_l: Tensor) -> Tensor:
    """Return how far the policy has moved from the reference, on both sides: [P].

    -(g_w + g_l) / 2. Both sides are samples of the reference, so for likelihoods its mean estimates
    the divergence KL(ref || p) (per token with ``reduction: mean``), as far as pairs are typical
    samples; for flow matching it is by how much the error on them has grown. Golden pairs have a
    side that is no sample, and then it is neither.
    """
    return -(gain_w + gain_l) / 2
