"""The objectives: losses of pairs as functions of how much more likely each side has become.

Notation: x is a noisy clip, w its chosen and l its rejected side, p the policy, and ref the frozen
model from which it started. Every objective reads one number per side, the utility u, which is
higher the more the model prefers the side:

    ar, mgm    u(y) = log p(y | x)                     (arXiv 2505.04113, section 3.2)
    fm         u(y) = -e(y),  e(y) = mean over valid values of (v(y_t, t, x) - (y_1 - y_0))^2

and its gain over the reference, g(y) = u(y) - u_ref(y), with the same t, noise or mask for w and l
and for policy and reference. The meaning of beta depends on two conventions, which `Objective` of
the recipe states:

- **Sum or mean over tokens.** `log p` of a clip is a sum over its tokens. ``reduction: mean``
  divides it by their number, so the same beta stands for a preference that is weaker by that factor
  (2000 for 8 groups and 250 frames). INTP's beta of 0.1 (ar) applies to sums.
- **The factor 2 in flow matching.** e is a mean of squares without a factor 1/2. beta = 1000 here
  is beta = 2000 in papers that write e with 1/2. Constants such as T/2, which a derivation from
  diffusion steps puts before e, are part of beta.

If a pair has several draws of (t, noise) or of masks, g is averaged over them before the sigmoid,
because the average estimates the log-likelihood ratio (the lower its variance, the lower the bias
of the loss: arXiv 2505.19223).
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def dpo(gain_w: Tensor, gain_l: Tensor, beta: float, label_smoothing: float = 0.0) -> Tensor:
    """Return the loss of direct preference optimisation (arXiv 2305.18290, equation 7): [P].

    L = -(1 - s) log sigma(beta (g_w - g_l)) - s log sigma(-beta (g_w - g_l)).

    s > 0 assumes that a share s of the labels is wrong (conservative DPO, Mitchell 2023). For flow
    matching, this is INTP's -log sigma(-beta {[e(w) - e_ref(w)] - [e(l) - e_ref(l)]}).

    Args:
        gain_w, gain_l: [P] g of the chosen and of the rejected side.
        beta: how fast preference grows with g; the module docstring states its unit.
        label_smoothing: s, in [0, 0.5).
    """
    logit = beta * (gain_w - gain_l)
    right, wrong = -functional.logsigmoid(logit), -functional.logsigmoid(-logit)
    return (1 - label_smoothing) * right + label_smoothing * wrong


def ipo(gain_w: Tensor, gain_l: Tensor, beta: float) -> Tensor:
    """Return the loss of IPO (arXiv 2310.12036, equation 17) times beta squared: [P].

    L = (beta (g_w - g_l) - 1/2)^2 = beta^2 ((g_w - g_l) - 1 / (2 beta))^2.

    The margin tends to 1/2, so pairs that never disagree cannot drive it to infinity. The paper's
    own loss is L / beta^2. In the scale used here, the loss is 1/4 at the start for every beta, so
    an anchor has the same weight.
    """
    return (beta * (gain_w - gain_l) - 0.5).square()


def sft(utility_w: Tensor) -> Tensor:
    """Return the loss of fine-tuning on the chosen side alone, without a reference: [P].

    L = -u(w): cross-entropy for ``ar`` and ``mgm``, the flow-matching error for ``fm``. This is the
    baseline that DPO must beat (arXiv 2508.17229 reports that it does).
    """
    return -utility_w


def anchor(utility: Tensor) -> Tensor:
    """Return -u of the chosen side or of the clean target: [P].

    The anchor is added with a weight and keeps the policy a model of speech. u is always a mean
    over tokens here, so the anchor is a cross-entropy in nats per token (GSEPF's L_CE, arXiv
    2507.09929, with weight 1 beside DPO), or the flow-matching error.
    """
    return -utility


def accuracy(gain_w: Tensor, gain_l: Tensor) -> Tensor:
    """Return 1 if the policy gained more on the chosen side, 1/2 for a tie, else 0: [P]."""
    return ((gain_w > gain_l).float() + (gain_w >= gain_l).float()) / 2


def drift_from_reference(gain_w: Tensor, gain_l: Tensor) -> Tensor:
    """Return how far the policy has moved from the reference, on both sides: [P].

    The drift is -(g_w + g_l) / 2. Both sides are samples of the reference. For likelihoods, its
    mean therefore estimates the divergence KL(ref || p) (per token with ``reduction: mean``), as
    far as pairs are typical samples. For flow matching, it is the growth of the error on them. For
    golden pairs it is neither, because their clean side is not a sample.
    """
    return -(gain_w + gain_l) / 2
