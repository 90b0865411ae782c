"""Checkpoints: a network on disk as `model.safetensors` and `config.json`, read strictly.

Both files are untrusted: the settings are checked (`checkpoint_settings`) and compared with the
header of the weights, before memory is allocated for a network.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors import torch as safetensors_torch

from gensr_pref.errors import ConfigError, Problem
from gensr_pref.generators.tiny.autoregressive import Autoregressive
from gensr_pref.generators.tiny.checkpoint_settings import (
    CONFIG,
    WEIGHTS,
    abbreviate_list,
    read_configuration,
    require_files,
)
from gensr_pref.generators.tiny.flow import Flow, FlowConfig
from gensr_pref.generators.tiny.masked import Masked
from gensr_pref.generators.tiny.safetensors_header import read_tensor_headers
from gensr_pref.generators.tiny.token_model import TokenModel, TokenModelConfig
from gensr_pref.generators.tiny.tokenizer import Tokenizer, TokenizerConfig
from gensr_pref.storage import files
from gensr_pref.weights import hub

Shapes = Mapping[str, tuple[int, ...]]
Network = Flow | Autoregressive | Masked | Tokenizer
N = TypeVar("N", Flow, Autoregressive, Masked, Tokenizer)
ARCHITECTURES: dict[type[Network], tuple[str, Any]] = {
    Flow: ("flow", FlowConfig),
    Autoregressive: ("autoregressive", TokenModelConfig),
    Masked: ("masked", TokenModelConfig),
    Tokenizer: ("tokenizer", TokenizerConfig),
}


@dataclass(frozen=True)
class CheckpointLocation:
    """Location of a checkpoint on this machine.

    Attributes:
        folder: with `model.safetensors` and `config.json`.
        origin: ``org/name@COMMIT`` if it is from the Hub, else empty.
    """

    folder: Path
    origin: str = ""

    @property
    def revision(self) -> str:
        """Origin, if any, and digest of the contents.

        Raises:
            MissingWeightsError: a file is missing.
        """
        return f"{self.origin} {revision_of(self.folder)}".lstrip()


def locate(checkpoint: str | Path, revision: str | None = None) -> CheckpointLocation:
    """Locate a checkpoint by its folder, or by its id on the Hub if no folder has that name.

    Args:
        checkpoint: a folder or ``org/name``; see `hub.snapshot` for what is downloaded, and when.
        revision: commit, tag or branch of an id on the Hub; absent = main.

    Raises:
        MissingWeightsError: the checkpoint does not exist, or is not on this machine while
            connections are forbidden.
        FetchError: the Hub cannot be reached or does not deliver.
        ValueError: a revision of a folder.
    """
    folder, name = Path(checkpoint), str(checkpoint)
    if not folder.exists() and hub.is_id(name):
        snapshot = hub.snapshot(name, revision)
        return CheckpointLocation(snapshot.folder, f"{snapshot.repository}@{snapshot.commit}")
    if revision is not None:
        raise ValueError(
            f"revision: {name!r} is a folder, and only a checkpoint on the Hub (org/name) has "
            "revisions. Remove the option"
        )
    return CheckpointLocation(folder)


def save_network(network: Network, folder: Path) -> None:
    """Write a network to a folder; each file is written atomically and synced to disk.

    Raises:
        StorageError: the disk is full, or the folder cannot be written.
    """
    weights = {name: value.contiguous() for name, value in network.state_dict().items()}
    with files.write_atomically(folder / WEIGHTS) as temporary:
        temporary.write_bytes(safetensors_torch.save(weights))
    architecture, _ = ARCHITECTURES[type(network)]
    settings = {"architecture": architecture, **asdict(network.config)}
    files.write_text(folder / CONFIG, json.dumps(settings, indent=2) + "\n")


def load_network(folder: Path, kind: type[N], device: str = "cpu") -> N:
    """Read a network of class `kind`, frozen and in evaluation mode.

    Raises:
        MissingWeightsError: a file is missing.
        ConfigError: as in `require_loadable`; or a weight is NaN or infinite.
    """
    network = kind(require_loadable(folder, kind))
    path = folder / WEIGHTS
    weights = _read_weights(path)
    if bad := [name for name, values in weights.items() if not values.isfinite().all()]:
        raise ConfigError(
            f"holds NaN or infinite weights: {abbreviate_list(bad)}.",
            path=path,
            value=bad,
            problem=Problem.INVALID,
        )
    network.load_state_dict(weights)
    if isinstance(network, TokenModel):
        _require_codebooks(path, network)
    return network.eval().requires_grad_(False).to(device)


def require_loadable(folder: Path, kind: type[Network]) -> Any:
    """Refuse a checkpoint that `load_network` cannot read, by its settings and weights' header.

    No memory is allocated for weights, so that any checkpoint can be checked before any work.

    Returns:
        The configuration of the network.

    Raises:
        MissingWeightsError: a file is missing.
        ConfigError: a file does not have the format that its name states, a setting has a wrong
            type or exceeds its bound, the network is of another class, or the weights do not fit
            the settings.
    """
    configuration, path = read_configuration(folder, *ARCHITECTURES[kind]), folder / WEIGHTS
    try:
        with torch.device("meta"):
            network = kind(configuration).state_dict()
    except ValueError as error:
        raise ConfigError(f"{error}.", path=folder / CONFIG, problem=Problem.INVALID) from error
    stated = {name: header.shape for name, header in read_tensor_headers(path).items()}
    _require_same(path, stated, {name: tuple(value.shape) for name, value in network.items()})
    return configuration


def encoder_weights(folder: Path) -> dict[str, torch.Tensor]:
    """Return the encoder's weights in a checkpoint of any paradigm, by their names in the encoder.

    Raises:
        MissingWeightsError: a file is missing.
        ConfigError: the weights cannot be read.
    """
    require_files(folder)
    weights = _read_weights(folder / WEIGHTS)
    prefix = "encoder."
    return {
        name.removeprefix(prefix): value
        for name, value in weights.items()
        if name.startswith(prefix)
    }


def revision_of(folder: Path) -> str:
    """Return a digest of the checkpoint, 12 hexadecimal digits, over all weights and settings.

    Raises:
        MissingWeightsError: a file is missing.
    """
    require_files(folder)
    contents = hashlib.blake2b(digest_size=6)
    for name in (CONFIG, WEIGHTS):
        with (folder / name).open("rb") as file:
            while block := file.read(2**20):
                contents.update(block)
    return contents.hexdigest()


def _read_weights(path: Path) -> dict[str, torch.Tensor]:
    try:
        read_tensor_headers(path)
        return safetensors_torch.load_file(path)
    except (OSError, SafetensorError) as error:
        raise ConfigError(
            f"cannot be read as safetensors ({error}).", path=path, problem=Problem.UNREADABLE
        ) from error


def _require_codebooks(path: Path, network: TokenModel) -> None:
    digest, named = network.tokenizer.digest, network.config.tokenizer
    if digest != named:
        raise ConfigError(
            f"the codebooks in {path} have digest {digest}, but {CONFIG} names {named}. A token "
            "means different gains in different codebooks.",
            field="tokenizer",
            path=path,
            value=digest,
            problem=Problem.CONFLICT,
        )


def _require_same(path: Path, stated: Shapes, expected: Shapes) -> None:
    reshaped = [
        f"{name} {list(stated[name])} for {list(expected[name])}"
        for name in sorted(stated.keys() & expected.keys())
        if stated[name] != expected[name]
    ]
    missing, unknown = expected.keys() - stated.keys(), stated.keys() - expected.keys()
    if missing or unknown or reshaped:
        raise ConfigError(
            f"not the weights of the network in {CONFIG}. "
            f"Missing: {abbreviate_list(missing)}. Unknown: {abbreviate_list(unknown)}. "
            f"Of another shape: {abbreviate_list(reshaped)}.",
            path=path,
            value=(sorted(missing), sorted(unknown), reshaped),
            problem=Problem.CONFLICT,
        )
