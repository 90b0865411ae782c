"""Checkpoints: a network on disk as `model.safetensors` and `config.json`, read strictly.

`config.json` names the architecture and holds all fields of its configuration. `sample_rate` (Hz)
may be absent; it is 16000 then.

Both files are untrusted: types and bounds of the settings are checked, and the settings are
compared with the header of the weights, before memory is allocated for a network.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors import torch as safetensors_torch

from gensr_pref.errors import ConfigError, MissingWeightsError, Problem
from gensr_pref.generators.tiny.analysis import WIDEBAND, Analysis
from gensr_pref.generators.tiny.autoregressive import Autoregressive
from gensr_pref.generators.tiny.bands import FEATURES, GAIN_BANDS
from gensr_pref.generators.tiny.flow import Flow, FlowConfig
from gensr_pref.generators.tiny.masked import Masked
from gensr_pref.generators.tiny.safetensors_header import read_tensor_headers
from gensr_pref.generators.tiny.token_model import TokenModel, TokenModelConfig
from gensr_pref.generators.tiny.tokenizer import Tokenizer, TokenizerConfig
from gensr_pref.storage import files
from gensr_pref.untrusted import documents
from gensr_pref.weights import hub

WEIGHTS, CONFIG = "model.safetensors", "config.json"
Shapes = Mapping[str, tuple[int, ...]]
Network = Flow | Autoregressive | Masked | Tokenizer
LARGEST = 4096  # limit of a width, a dilation, a number of groups; 20 times the shipped networks'
MOST_CODES = 2**16
MOST_BLOCKS = 64  # of one kind
_FIXED = {"features": FEATURES, "channels": GAIN_BANDS}  # the same in every network here
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


@dataclass(frozen=True)
class Settings:
    """Content of a `config.json`, of which only the sample rate has been checked.

    Attributes:
        architecture: stated name of the architecture; None if it is absent.
        sample_rate: in Hz.
        others: the other settings by name.
    """

    architecture: object
    sample_rate: int
    others: Mapping[str, object]


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
            f"holds NaN or infinite weights: {_abbreviate_list(bad)}.",
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
    configuration, path = _read_config(folder, kind), folder / WEIGHTS
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
    _require_files(folder)
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
    _require_files(folder)
    contents = hashlib.blake2b(digest_size=6)
    for name in (CONFIG, WEIGHTS):
        with (folder / name).open("rb") as file:
            while block := file.read(2**20):
                contents.update(block)
    return contents.hexdigest()


def _require_files(folder: Path) -> None:
    for name in (CONFIG, WEIGHTS):
        try:
            (folder / name).open("rb").close()
        except OSError as error:
            raise MissingWeightsError(
                f"there is no checkpoint ({name}: {error.strerror}). Give a folder that "
                f"holds {WEIGHTS} and {CONFIG}, such as one written by `gensr-pref train`, or the "
                "id org/name of one on the Hugging Face Hub.",
                path=folder,
                problem=Problem.MISSING,
            ) from error


def _read_weights(path: Path) -> dict[str, torch.Tensor]:
    try:
        read_tensor_headers(path)
        return safetensors_torch.load_file(path)
    except (OSError, SafetensorError) as error:
        raise ConfigError(
            f"cannot be read as safetensors ({error}).", path=path, problem=Problem.UNREADABLE
        ) from error


def read_settings(folder: Path) -> Settings:
    """Read `config.json`; check its sample rate.

    Raises:
        MissingWeightsError: a file is missing.
        ConfigError: the file is not JSON, or the sample rate is not supported.
    """
    _require_files(folder)
    path = folder / CONFIG
    try:
        data = documents.parse_json(files.read_text(path))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"cannot be read as JSON ({error}).", path=path, problem=Problem.UNREADABLE
        ) from error
    others = dict(data) if isinstance(data, dict) else {}
    architecture = others.pop("architecture", None)
    rate = others.pop("sample_rate", WIDEBAND.rate)
    try:
        Analysis(rate)
    except ValueError as error:
        raise ConfigError(
            f"{path}: {error}.",
            field="sample_rate",
            value=rate,
            path=path,
            problem=Problem.INVALID,
        ) from error
    return Settings(architecture, rate, others)


def _read_config(folder: Path, kind: type[Network]) -> Any:
    architecture, configuration = ARCHITECTURES[kind]
    path, settings = folder / CONFIG, read_settings(folder)
    if settings.architecture != architecture:
        raise ConfigError(
            f"{path} has {settings.architecture!r}, but {architecture!r} is required here.",
            field="architecture",
            path=path,
            value=settings.architecture,
            problem=Problem.CONFLICT,
        )
    given = {"sample_rate": settings.sample_rate, **settings.others}
    known = {field.name for field in fields(configuration)}
    if set(given) != known:
        raise ConfigError(
            f"not the settings of {architecture!r}. "
            f"Missing: {_abbreviate_list(known - given.keys())}. "
            f"Unknown: {_abbreviate_list(given.keys() - known)}.",
            path=path,
            value=(sorted(known - given.keys()), sorted(given.keys() - known)),
            problem=Problem.INVALID,
        )
    defaults = asdict(configuration())
    for name, value in given.items():
        if requirement := _requirement(name, value, defaults[name]):
            raise ConfigError(
                f"must be {requirement}, not {_abbreviate(value)}, in {path}.",
                field=name,
                value=value,
                path=path,
                problem=Problem.INVALID,
            )
    return configuration(**{k: tuple(v) if isinstance(v, list) else v for k, v in given.items()})


def _requirement(name: str, value: Any, default: Any) -> str | None:
    """Return the requirement that a setting violates, or None; `default` determines its type."""
    if name in _FIXED:
        return None if value == _FIXED[name] else str(_FIXED[name])
    if name == "sample_rate":  # checked with the settings
        return None
    if isinstance(default, str):
        fits = isinstance(value, str) and len(value) <= 64
        return None if fits else "text of at most 64 characters"
    if isinstance(default, tuple):
        fits = isinstance(value, list) and len(value) <= MOST_BLOCKS
        fits = fits and all(_is_size(size, LARGEST) for size in value)
        return None if fits else f"at most {MOST_BLOCKS} whole numbers from 1 to {LARGEST}"
    if isinstance(default, float):
        fits = type(value) in (int, float) and math.isfinite(value) and 0 <= value <= 1
        return None if fits else "a number from 0 to 1"
    most = MOST_CODES if name == "codes" else LARGEST
    return None if _is_size(value, most) else f"a whole number from 1 to {most}"


def _is_size(value: Any, most: int) -> bool:
    return type(value) is int and 1 <= value <= most


def _abbreviate(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


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
            f"Missing: {_abbreviate_list(missing)}. Unknown: {_abbreviate_list(unknown)}. "
            f"Of another shape: {_abbreviate_list(reshaped)}.",
            path=path,
            value=(sorted(missing), sorted(unknown), reshaped),
            problem=Problem.CONFLICT,
        )


def _abbreviate_list(names: object) -> str:
    listed = sorted(names)  # type: ignore[call-overload]
    shown = ", ".join(listed[:3])
    return f"{shown} and {len(listed) - 3} more" if len(listed) > 3 else shown or "none"
