"""What an alignment starts from: the generator, the reference and the pairs, all checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from gensr_pref import plugins
from gensr_pref.align.dpo_recipe import Aligned, Dpo, RunPairs
from gensr_pref.align.pairs import PairedClip, Run, Side
from gensr_pref.align.prepared import Array, Prepared, prepared
from gensr_pref.errors import ConfigError, InputError
from gensr_pref.generators.base import Alignable
from gensr_pref.identity import CLEAN, digest

NEEDED = ("paradigm", "hear", "encode", "save")
MEASURE = {"ar": "log_likelihood", "mgm": "log_likelihood", "fm": "error"}


@dataclass(frozen=True)
class Subject:
    """A generator to align, what it is held against, and pairs.

    Attributes:
        generator: whose policy is trained.
        reference: the same class, with weights that stay.
        data: the pairs.
        identity: a digest of the data and of what was made of it.
        encoded: whether what is stored of a clip is the encoder's output.
    """

    generator: Alignable
    reference: Alignable
    data: Prepared
    identity: str
    encoded: bool


def subject(recipe: Dpo, base: Path, cache: Path, device: str) -> Subject:
    """Check and prepare everything that training needs.

    Args:
        base: folder that the recipe's paths are relative to.
        cache: where features are kept.
        device: torch's, for the weights.

    Raises:
        InputError: a generator that cannot be aligned, no pairs for it, or pairs that do not fit.
    """
    generator = made(recipe.generator, base, "generator")
    reference = made(recipe.reference or recipe.generator, base, "reference")
    labels = recipe.pairs.generators or [generator.name]
    source = opened(recipe.pairs.source, base, labels, recipe.pairs.encode != "never")
    source.require_pairs()
    if recipe.reference_differs == "refuse":
        source.require_revision(reference.name, reference.revision)
    for one in (generator, reference):
        one.load(device)
    encoded = recipe.train == "decoder"
    if encoded and not hasattr(generator, "encoded"):
        raise ConfigError(
            f"train: {recipe.generator.use!r} does not say which part of it is the encoder (it has "
            "no member `encoded`). Write train: all"
        )
    clean = recipe.anchor.weight > 0 and recipe.anchor.side == "clean"
    identity = digest(
        source.identity,
        generator.name,
        recipe.pairs.encode,
        clean,
        reference.revision if encoded else generator.sample_rate,
    )
    data = prepared(
        cache / f"pairs-{identity[:12]}",
        source,
        _hearing(reference, encoded),
        _targets(generator, recipe.pairs.encode),
        clean,
    )
    return Subject(generator, reference, data, identity, encoded)


def opened(source: RunPairs, base: Path, labels: list[str], with_audio: bool) -> Run:
    """The pairs that a recipe names, of generators with these labels."""
    return Run(base / source.path, labels, with_audio)


def made(use: Aligned, base: Path, field: str) -> Alignable:
    """The generator of a recipe, with all that alignment asks for.

    Raises:
        ConfigError: it lacks a member.
    """
    found = plugins.create("generator", use.use, use.options, f"{field}.options", base)
    paradigm = getattr(found, "paradigm", None)
    if paradigm not in MEASURE:
        raise ConfigError(
            f"{field}.use: {use.use!r} cannot be aligned: its attribute `paradigm` is "
            f"{paradigm!r}, and must be 'ar', 'mgm' or 'fm'. See docs/alignment.md"
        )
    missing = [name for name in (*NEEDED, MEASURE[paradigm]) if not hasattr(found, name)]
    if missing:
        raise ConfigError(
            f"{field}.use: {use.use!r} cannot be aligned: it has no member "
            f"{', '.join(f'`{name}`' for name in missing)}. See docs/alignment.md"
        )
    aligned: Alignable = found
    return aligned


def _hearing(generator: Alignable, encoded: bool) -> Callable[[PairedClip], Array]:
    """Features [F, C] of a clip, or what the generator's encoder makes of them."""

    @torch.no_grad()
    def hear(clip: PairedClip) -> Array:
        x = generator.hear(np.array(clip.noisy.at(generator.sample_rate).wave))
        if encoded:
            device = next(generator.policy.parameters()).device
            frames = torch.tensor([x.shape[-1]], device=device)
            x = generator.encoded(generator.policy, x[None].to(device), frames)[0]  # type: ignore[attr-defined]
        found: Array = x.T.cpu().numpy()
        return found

    return hear


def _targets(generator: Alignable, encode: str) -> Callable[[PairedClip, Side], Array]:
    """The target of a side [T, D]: what is stored, or what its audio is encoded as."""
    kind = "latent" if generator.paradigm == "fm" else "tokens"

    def target(clip: PairedClip, side: Side) -> Array:
        stored = side.latent if kind == "latent" else side.tokens
        clean = side.generator == CLEAN
        if stored is None and encode == "never" and not clean:
            raise InputError(
                f"pairs: {side.name} has no {kind}, which {generator.paradigm!r} is trained on. "
                "Train on pairs of a generator that stores them, or make them from the audio: "
                "pairs.encode=missing"
            )
        if stored is None or encode == "always" or clean:
            rate = generator.sample_rate
            sound = clip.clean if clean else side.sound()
            if sound is None:
                raise InputError(f"pairs: clip {clip.clip_id} has no clean target")
            noisy = np.array(clip.noisy.at(rate).wave)
            stored = generator.encode(noisy, np.array(sound.at(rate).wave))
        if kind == "tokens":
            return np.asarray(stored, np.int32).T
        return np.asarray(stored, np.float16)

    return target
