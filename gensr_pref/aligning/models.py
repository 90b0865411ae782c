"""The models of an alignment: loaded, checked, and identified by what they compute."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gensr_pref.aligning.recipe import ModelUse
from gensr_pref.config import code_digest, plugins
from gensr_pref.errors import ConfigError, Problem
from gensr_pref.generators.base import Alignable
from gensr_pref.identity import digest, file_digest, rng_for

REQUIRED_MEMBERS = ("paradigm", "hear", "encode", "save")
UTILITY_MEMBER = {"ar": "log_likelihood", "mgm": "log_likelihood", "fm": "error"}
FORMER_MEMBERS = {"encoded": "encode_input"}  # optional methods that were renamed
PROBE_SECONDS = 1.0


@dataclass(frozen=True)
class ModelContent:
    """Everything that the output of a loaded generator depends on.

    Attributes:
        use: name of the generator, or ``module:Class``.
        code: version of its package; for ``module:Class``, a digest of its source.
        options: options in the recipe.
        files: digests of the files that options name.
        revision, sample_rate: attributes of the generator.
        weights: digest of its policy's weights and buffers.
    """

    use: str
    code: str
    options: Mapping[str, Any]
    files: Mapping[str, str]
    revision: str
    sample_rate: int
    weights: str

    @property
    def digest(self) -> str:
        """Digest of the content, 32 hexadecimal digits."""
        return digest(asdict(self))


def load_model(
    use: ModelUse, base: Path, field: str, device: str
) -> tuple[Alignable, ModelContent]:
    """Return the generator of a recipe with its weights on a device, and its content.

    Args:
        use: entry of the recipe.
        base: folder that the recipe's paths are relative to.
        field: field of the recipe, for messages.
        device: torch's name of the device.

    Raises:
        InputError: the generator or checkpoint does not exist, or cannot be aligned.
    """
    generator = make_model(use, base, field)
    generator.load(device)
    return generator, model_content(use, base, generator)


def make_model(use: ModelUse, base: Path, field: str) -> Alignable:
    """Return the generator of a recipe, with all members that alignment needs.

    Raises:
        ConfigError: the generator lacks a member, or has a method under its former name.
    """
    generator = plugins.create("generator", use.use, use.options, f"{field}.options", base)
    paradigm = getattr(generator, "paradigm", None)
    if paradigm not in UTILITY_MEMBER:
        raise ConfigError(
            f"{use.use!r} cannot be aligned: its attribute `paradigm` is "
            f"{paradigm!r}, but must be 'ar', 'mgm' or 'fm'. See docs/alignment.md",
            field=f"{field}.use",
            value=use.use,
            problem=Problem.UNSUPPORTED,
        )
    missing = [
        name
        for name in (*REQUIRED_MEMBERS, UTILITY_MEMBER[paradigm])
        if not hasattr(generator, name)
    ]
    if missing:
        raise ConfigError(
            f"{use.use!r} cannot be aligned: it has no member "
            f"{', '.join(f'`{name}`' for name in missing)}. See docs/alignment.md",
            field=f"{field}.use",
            value=use.use,
            problem=Problem.UNSUPPORTED,
        )
    for former, current in FORMER_MEMBERS.items():
        if callable(getattr(generator, former, None)) and not hasattr(generator, current):
            raise ConfigError(
                f"{use.use!r} cannot be aligned: its method `{former}` is now called "
                f"`{current}`. Rename it. See docs/alignment.md",
                field=f"{field}.use",
                value=former,
                problem=Problem.UNSUPPORTED,
            )
    aligned: Alignable = generator
    return aligned


def model_content(use: ModelUse, base: Path, generator: Alignable) -> ModelContent:
    """Return the content of a loaded generator, which identifies it."""
    named = {name: use.options.get(name) for name in getattr(type(generator), "paths", ())}
    files = {key: base / value for key, value in named.items() if isinstance(value, str) and value}
    return ModelContent(
        use=use.use,
        code=code_digest.digest_code(use.use) or _version(type(generator)),
        options=use.options,
        files={key: file_digest(path) for key, path in files.items() if path.is_file()},
        revision=generator.revision,
        sample_rate=generator.sample_rate,
        weights=weights_digest(generator.policy.state_dict()),
    )


def weights_digest(state: Mapping[str, Any]) -> str:
    """Return 32 hexadecimal digits of the names, types, shapes and values of a `state_dict`."""
    contents = hashlib.blake2b(digest_size=16)
    for name in sorted(state):
        value = state[name]
        if not isinstance(value, Tensor):
            contents.update(repr((name, value)).encode())
            continue
        contents.update(repr((name, str(value.dtype), tuple(value.shape))).encode())
        flat = value.detach().cpu().contiguous().reshape(-1)
        contents.update(flat.view(torch.uint8).numpy().tobytes())
    return contents.hexdigest()


def require_one_space(ours: Alignable, other: Alignable, field: str) -> None:
    """Refuse two models whose features or targets differ.

    Both process the same noise. If features or targets differ, the models have different sample
    rates, tokenizers or analyses, and their utilities cannot be compared.

    Args:
        field: field of `other` in the recipe.

    Raises:
        ConfigError: the models differ; the message names the difference.
    """
    for name in ("paradigm", "sample_rate"):
        theirs, expected = getattr(other, name), getattr(ours, name)
        if theirs != expected:
            raise ConfigError(
                f"its {name} is {theirs!r}, the generator's is {expected!r}. "
                "Name a model of the same kind",
                field=field,
                value=theirs,
                problem=Problem.CONFLICT,
            )
    noisy, clean = _probe(ours.sample_rate)
    if not _same(ours.hear(noisy.copy()), other.hear(noisy.copy())):
        raise ConfigError(
            "its features of a clip differ from the generator's, so one model "
            "cannot be trained on features of the other. Name a model of the same kind",
            field=field,
            value="features",
            problem=Problem.CONFLICT,
        )
    if not _same(ours.encode(noisy.copy(), clean.copy()), other.encode(noisy, clean)):
        raise ConfigError(
            "its tokens or latents have another meaning than the generator's (another "
            "tokenizer), so their likelihoods cannot be compared. Name a model with the same "
            "tokenizer",
            field=field,
            value="tokens or latents",
            problem=Problem.CONFLICT,
        )


def _probe(rate: int) -> tuple[Any, Any]:
    """Return two waves [T] of noise, the second with an envelope like that of syllables."""
    rng = rng_for(0, "probe")
    noisy, other = rng.normal(0, 0.1, (2, int(PROBE_SECONDS * rate))).astype(np.float32)
    envelope = np.sin(np.arange(len(noisy)) * (8 * np.pi / len(noisy))) ** 2
    return noisy, (other * envelope).astype(np.float32)


def _same(a: Any, b: Any) -> bool:
    """Return whether two arrays are equal up to the rounding of float16."""
    x, y = (np.asarray(value.cpu() if isinstance(value, Tensor) else value) for value in (a, b))
    return x.shape == y.shape and np.allclose(
        x.astype(np.float64), y.astype(np.float64), rtol=1e-3, atol=1e-3
    )


def _version(kind: type) -> str:
    """Return the version of a class's package; empty if no installed package has it."""
    package = kind.__module__.partition(".")[0]
    try:
        return f"{package} {metadata.version(package)}"
    except metadata.PackageNotFoundError:
        return ""
