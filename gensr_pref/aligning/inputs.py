"""The inputs of an alignment: generator, reference and pairs, loaded and checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from gensr_pref.aligning.exported_pairs import PairsOfExport, PairsOfHub
from gensr_pref.aligning.feature_cache import Array, PreparedPairs, prepare_pairs
from gensr_pref.aligning.file_digests import FileDigests
from gensr_pref.aligning.models import ModelContent, load_model, require_one_space
from gensr_pref.aligning.pairs import PairedClip, PairTable, Side, UnchangedPairs
from gensr_pref.aligning.recipe import Dpo, ExportSource, PairSource, RunSource
from gensr_pref.aligning.run_pairs import PairsOfRun
from gensr_pref.aligning.token_compatibility import TokenCheck
from gensr_pref.errors import ConfigError, InputError, Problem
from gensr_pref.generators.base import Alignable
from gensr_pref.identity import CLEAN, digest

VERSION = 1  # version of the computation and storage of features and targets; part of their key


@dataclass(frozen=True)
class PreparedInputs:
    """A generator to align, its reference, and the prepared pairs.

    Attributes:
        generator: generator whose policy is trained.
        reference: generator of the same class, with frozen weights.
        data: the pairs.
        identity: digest of everything that the data were computed from.
        encoded: whether the stored features of a clip are the encoder's output.
    """

    generator: Alignable
    reference: Alignable
    data: PreparedPairs
    identity: str
    encoded: bool


@dataclass(frozen=True)
class LoadedInputs:
    """The models and pairs that a recipe names.

    Attributes:
        generator: generator whose policy is trained.
        reference: generator of the same class, with frozen weights.
        content, reference_content: identity of both models before training.
        source: the pairs, with their digests when they were opened.
    """

    generator: Alignable
    reference: Alignable
    content: ModelContent
    reference_content: ModelContent
    source: UnchangedPairs

    @property
    def made_from(self) -> dict[str, str]:
        """Digests of models and pairs, by name."""
        return {
            **self.source.content,
            "generator": self.content.digest,
            "reference": self.reference_content.digest,
        }


@dataclass(frozen=True)
class FeatureInputs:
    """Everything that features and targets are computed from.

    Attributes:
        pairs: digests of the pairs and of the tables that they refer to.
        labels: labels of the generators whose pairs are used.
        generator: digest of the model that computes features and encodes targets.
        encode: sides whose target is encoded from their audio.
        clean: whether the clean target is prepared.
        encoded_on: kind of device that the encoder ran on, if its output is stored; None if the
            stored features depend on no weights.
    """

    pairs: Mapping[str, str]
    labels: tuple[str, ...]
    generator: str
    encode: str
    clean: bool
    encoded_on: str | None

    @property
    def digest(self) -> str:
        """Digest of the inputs, 32 hexadecimal digits."""
        return digest(asdict(self), VERSION)


def load_inputs(recipe: Dpo, base: Path, cache: Path, device: str) -> LoadedInputs:
    """Load the models and open the pairs, without computing anything.

    Args:
        base: folder that the recipe's paths are relative to.
        cache: folder that remembers digests of files.
        device: torch's name of the device for the weights.

    Raises:
        InputError: the generator cannot be aligned or compared with the reference, or there are
            no pairs for it.
    """
    generator, content = load_model(recipe.generator, base, "generator", device)
    if recipe.train == "decoder" and not hasattr(generator, "encode_input"):
        raise ConfigError(
            f"{recipe.generator.use!r} does not state which part of it is the encoder (it has "
            "no member `encode_input`). Write train: all",
            field="train",
            value=recipe.generator.use,
            problem=Problem.UNSUPPORTED,
        )
    use = recipe.reference or recipe.generator
    reference, reference_content = load_model(use, base, "reference", device)
    if reference_content != content:
        require_one_space(generator, reference, "reference")
    labels = pair_labels(recipe, generator)
    other_models = recipe.reference_differs == "allow" or set(labels) != {reference.name}
    checks_tokens = other_models and generator.paradigm != "fm"
    with_audio = recipe.pairs.encode != "never" or checks_tokens
    source = open_pairs(recipe.pairs.source, base, labels, with_audio, FileDigests(cache))
    pairs = UnchangedPairs(source, source.content)
    return LoadedInputs(generator, reference, content, reference_content, pairs)


def pair_labels(recipe: Dpo, generator: Alignable) -> list[str]:
    """Return the labels of the generators whose pairs a recipe uses."""
    return recipe.pairs.generators or [generator.name]


def prepare_inputs(recipe: Dpo, loaded: LoadedInputs, cache: Path, device: str) -> PreparedInputs:
    """Check the pairs, and compute their features and targets.

    Args:
        cache: folder of the features.
        device: torch's name of the device for the weights.

    Raises:
        InputError: the pairs do not fit the models.
    """
    generator, reference = loaded.generator, loaded.reference
    weights = ReferenceWeights.from_recipe(recipe, loaded)
    # Two models can share the stored output of an encoder only if they are equal.
    encoded = recipe.train == "decoder" and _same_weights(loaded)
    clean = recipe.anchor.weight > 0 and recipe.anchor.side == "clean"
    made_from = FeatureInputs(
        pairs=loaded.source.content,
        labels=tuple(sorted(pair_labels(recipe, generator))),
        generator=loaded.content.digest,
        encode=recipe.pairs.encode,
        clean=clean,
        encoded_on=torch.device(device).type if encoded else None,
    )
    data = prepare_pairs(
        cache / f"pairs-{made_from.digest[:16]}",
        loaded.source,
        _feature_function(generator, encoded),
        _target_function(generator, recipe.pairs.encode, weights),
        clean,
    )
    weights.require_all(data.revisions)
    return PreparedInputs(generator, reference, data, made_from.digest, encoded)


def _same_weights(loaded: LoadedInputs) -> bool:
    ours, other = loaded.content, loaded.reference_content
    return (ours.use, ours.code, ours.weights) == (other.use, other.code, other.weights)


@dataclass(frozen=True)
class ReferenceWeights:
    """The weights that must have sampled the sides of a pair.

    Attributes:
        labels: labels of the reference's candidates; other generators are not checked.
        revision: the reference's revision.
        any: whether any revision is allowed.
    """

    labels: frozenset[str]
    revision: str
    any: bool

    @classmethod
    def from_recipe(cls, recipe: Dpo, loaded: LoadedInputs) -> ReferenceWeights:
        """Return the weights that a recipe requires, with all labels of the reference's model."""
        reference_use = loaded.reference_content.use
        named = {label for label, use in loaded.source.uses.items() if use == reference_use}
        return cls(
            frozenset({loaded.reference.name, *named}),
            loaded.reference.revision,
            recipe.reference_differs == "allow",
        )

    def require_all(self, revisions_of: Mapping[str, Iterable[str]]) -> None:
        """Compare the revisions of all sides, by generator, with the reference."""
        for generator, revisions in revisions_of.items():
            for revision in revisions:
                self.require(generator, revision)

    def is_known(self, generator: str, revision: str) -> bool:
        """Return whether the reference itself sampled a side."""
        return generator in self.labels and revision == self.revision

    def require(self, generator: str, revision: str) -> None:
        """Compare the revision of one side with the reference.

        Raises:
            InputError: they differ.
        """
        if self.any or generator not in self.labels or revision == self.revision:
            return
        raise InputError(
            f"candidates of {generator} were sampled by revision {revision!r}, but the "
            f"reference is {self.revision!r}. DPO assumes that they are the same model: name its "
            "checkpoint as the generator's option, or as `reference`; or accept the difference "
            "with reference_differs=allow",
            field="pairs.source",
            value=revision,
            problem=Problem.CONFLICT,
        )


def open_pairs(
    source: PairSource, base: Path, labels: list[str], with_audio: bool, digests: FileDigests
) -> PairTable:
    """Return the pairs that a recipe names, of generators with these labels."""
    if isinstance(source, RunSource):
        return PairsOfRun(base / source.path, labels, with_audio)
    if isinstance(source, ExportSource):
        return PairsOfExport(base / source.path, labels, with_audio, digests)
    path = base / source.path
    name = str(path) if path.is_dir() else source.path
    return PairsOfHub(name, source.config, source.revision, labels, digests)


def _feature_function(generator: Alignable, encoded: bool) -> Callable[[PairedClip], Array]:
    """Return a function that computes the features [F, C] of a clip, or their encoding."""

    @torch.no_grad()
    def hear(clip: PairedClip) -> Array:
        x = generator.hear(np.array(clip.noisy.at(generator.sample_rate).wave))
        if encoded:
            device = next(generator.policy.parameters()).device
            frames = torch.tensor([x.shape[-1]], device=device)
            x = generator.encode_input(generator.policy, x[None].to(device), frames)[0]  # type: ignore[attr-defined]
        features: Array = x.T.cpu().numpy()
        return features

    return hear


def _target_function(
    generator: Alignable, encode: str, weights: ReferenceWeights
) -> Callable[[PairedClip, Side], Array]:
    """Return a function that gives a side's target [T, D], stored or encoded from its audio."""
    kind = "latent" if generator.paradigm == "fm" else "tokens"
    token_check = TokenCheck(generator)

    def target(clip: PairedClip, side: Side) -> Array:
        weights.require(side.generator, side.revision)
        stored = side.latent if kind == "latent" else side.tokens
        clean = side.generator == CLEAN
        if stored is None and encode == "never" and not clean:
            raise InputError(
                f"{side.name} has no {kind}, which {generator.paradigm!r} is trained on. "
                "Train on pairs of a generator that stores them, or make them from the audio: "
                "pairs.encode=missing",
                field="pairs",
                value=kind,
                problem=Problem.MISSING,
            )
        if stored is None or encode == "always" or clean:
            rate = generator.sample_rate
            sound = clip.clean if clean else side.sound()
            if sound is None:
                raise InputError(
                    f"clip {clip.clip_id} has no clean target",
                    field="pairs",
                    value=clip.clip_id,
                    problem=Problem.MISSING,
                )
            noisy = np.array(clip.noisy.at(rate).wave)
            stored = generator.encode(noisy, np.array(sound.at(rate).wave))
        elif kind == "tokens" and not weights.is_known(side.generator, side.revision):
            token_check.check(clip, side, stored)
        if kind == "tokens":
            return np.asarray(stored, np.int32).T
        return np.asarray(stored, np.float16)

    return target
