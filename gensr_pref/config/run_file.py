"""The run file: the only list of options, checked before anything runs.

`load` reads YAML, applies ``key=value`` overrides, fills defaults and names the field, the value
and what is allowed in every complaint. `docs/run-file.md` is generated from these models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import pydantic
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from gensr_pref.config.messages import WrongTogether, complaint
from gensr_pref.errors import ConfigError, Problem, parameter
from gensr_pref.storage import files
from gensr_pref.tables.languages import language_code
from gensr_pref.untrusted import documents
from gensr_pref.untrusted.text import redact_secrets

M = TypeVar("M", bound=BaseModel)
LABEL_PATTERN = r"^[\w.@+-]+$"  # of a generator: part of candidate ids


def _ordered(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError(f"the first number must not be above the second, not {list(pair)}")
    return pair


def _positive(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] <= 0:
        raise ValueError(f"both must be above 0, not {pair[0]:g}")
    return pair


def _share(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] < 0 or pair[1] > 1:
        raise ValueError(f"both must be from 0 to 1, not {list(pair)}")
    return pair


Range = Annotated[tuple[float, float], AfterValidator(_ordered)]
PositiveRange = Annotated[Range, AfterValidator(_positive)]
ShareRange = Annotated[Range, AfterValidator(_share)]
Probability = Annotated[float, Field(ge=0, le=1)]


class Model(BaseModel):
    """A section of the run file: immutable, and no field beyond those listed."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)


class Columns(Model):
    """Which columns of a table hold what; null where the table has no such thing."""

    audio: str | None = Field("path", description="the recording: a path, or Audio bytes")
    clean: str | None = Field(None, description="paired sources: the clean recording")
    text: str | None = Field(None, description="what is said")
    speaker: str | None = Field(None, description="who says it")
    language: str | None = Field(None, description="ISO 639-1 code")


class ManifestSource(Model):
    """A CSV or JSON-lines table with a path per row."""

    kind: Literal["manifest"] = "manifest"
    path: str = Field(description="the table; its suffix tells CSV, TSV or JSON lines")
    root: str | None = Field(
        None,
        description="what paths are relative to and may not leave; default: the table's folder",
    )
    columns: Columns = Field(default_factory=lambda: Columns())


class FolderSource(Model):
    """Every audio file below a folder."""

    kind: Literal["folder"] = "folder"
    path: str
    speaker: Literal["none", "parent"] = Field(
        "none", description="parent: the name of a file's folder is its speaker"
    )


class PairedSource(Model):
    """Noisy and clean recordings that already exist, matched by name."""

    kind: Literal["paired"] = "paired"
    noisy: str = Field(description="folder of noisy files")
    clean: str = Field(description="folder of clean files of the same relative names (any suffix)")


class ParquetSource(Model):
    """Parquet files with an Audio column (or bytes, or paths) and optional text and speaker."""

    kind: Literal["parquet"] = "parquet"
    path: str = Field(description="a file, a folder or a glob")
    columns: Columns = Field(default_factory=lambda: Columns(audio="audio"))


class HuggingFaceSource(Model):
    """A dataset read through `datasets`: a Hub name or a local path."""

    kind: Literal["huggingface"] = "huggingface"
    path: str = Field(description="Hub name or local folder")
    config: str | None = None
    split: str = "train"
    revision: str | None = None
    columns: Columns = Field(default_factory=lambda: Columns(audio="audio"))


Source = Annotated[
    ManifestSource | FolderSource | PairedSource | ParquetSource | HuggingFaceSource,
    Field(discriminator="kind"),
]
FileSource = Annotated[ManifestSource | FolderSource, Field(discriminator="kind")]


class Reverb(Model):
    """A room: simulated (image source method) or a recorded impulse response."""

    probability: Probability = 0.5
    rt60_s: PositiveRange = Field(
        (0.2, 0.8), description="seconds, drawn uniformly; simulated rooms"
    )
    distance_m: PositiveRange = Field(
        (0.5, 3.0), description="source to microphone; simulated rooms"
    )
    source: FileSource | None = Field(None, description="impulse responses; absent = simulate")


class Clipping(Model):
    """Amplitude clipped at a share of the clip's peak."""

    probability: Probability = 0.25
    threshold: PositiveRange = Field((0.06, 0.9), description="share of the peak, drawn uniformly")


class BandLimit(Model):
    """Resampled down to one of the rates and back."""

    probability: Probability = 0.5
    rates_hz: list[Annotated[int, Field(ge=1000)]] = Field([4000, 8000], min_length=1)


class Noise(Model):
    """Noise mixed in at a signal-to-noise ratio over active speech (ITU-T P.56)."""

    probability: Probability = 0.9
    source: FileSource
    snr_db: Range = (-5.0, 20.0)


class Codec(Model):
    """Encoded and decoded by libsndfile."""

    probability: Probability = 0.2
    names: list[Literal["opus", "vorbis", "gsm", "ulaw"]] = Field(
        ["opus", "gsm"],
        min_length=1,
        description="opus about 8 kbit/s, vorbis about 33, gsm 13 (at 8 kHz), ulaw 64 (at 8 kHz)",
    )


class PacketLoss(Model):
    """20 ms packets replaced by silence, in bursts (Gilbert model)."""

    probability: Probability = 0.2
    rate: ShareRange = Field((0.02, 0.15), description="share of packets lost")
    burst: float = Field(2.0, ge=1, description="mean number of packets lost in a row")


class Degrade(Model):
    """What is done to clean speech, in this order; a step that is absent is not done.

    Where one step alone is there, its probability is 1 unless it is set.
    """

    reverb: Reverb | None = None
    clipping: Clipping | None = None
    band_limit: BandLimit | None = None
    noise: Noise | None = None
    codec: Codec | None = None
    packet_loss: PacketLoss | None = None

    @model_validator(mode="before")
    @classmethod
    def _always_the_only_step(cls, data: Any) -> Any:
        """Let a step that is the only one be done to every clip, unless it says otherwise."""
        steps = [name for name in data if data[name] is not None] if isinstance(data, dict) else []
        if len(steps) != 1 or not isinstance(data[steps[0]], dict):
            return data
        return {steps[0]: {"probability": 1.0, **data[steps[0]]}}


class Validation(Model):
    """The held-out share."""

    share: Probability = 0.05
    by: Literal["speaker", "source", "clip"] = Field(
        "speaker",
        description="speaker: no speaker is on both sides (unknown speaker: by source); source: no "
        "recording is; clip: pieces of one recording may be",
    )


class Corpus(Model):
    """Where clips come from and what is done to them."""

    source: Source
    sample_rate: int = Field(16000, ge=8000, description="Hz; the rate of the clips")
    segment_seconds: PositiveRange = Field(
        (1.0, 20.0), description="shorter recordings are left out, longer ones cut in equal pieces"
    )
    languages: list[Annotated[str, AfterValidator(language_code)]] | None = Field(
        None,
        min_length=1,
        description="keep these only, as the language column says (ISO 639 codes); null: all",
    )
    limit: int | None = Field(None, ge=1, description="clips, drawn by identity; absent = all")
    degrade: Degrade | None = Field(None, description="absent = the source is noisy already")
    validation: Validation = Field(default_factory=Validation)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.sample_rate % 50:
            raise WrongTogether(
                "sample_rate", self.sample_rate, f"must be a multiple of 50, not {self.sample_rate}"
            )
        if self.degrade is not None and self.source.kind == "paired":
            raise WrongTogether("degrade", None, "a paired source is noisy already; remove this")
        columns = getattr(self.source, "columns", None)
        if self.degrade is not None and columns is not None and columns.clean is not None:
            raise WrongTogether(
                "degrade",
                columns.clean,
                "a source with source.columns.clean is noisy already; remove one of the two",
            )
        band_limit = self.degrade.band_limit if self.degrade is not None else None
        if band_limit is not None and max(band_limit.rates_hz) >= self.sample_rate:
            raise WrongTogether(
                "degrade.band_limit.rates_hz",
                band_limit.rates_hz,
                f"{max(band_limit.rates_hz)} is no limit for clips at sample_rate "
                f"{self.sample_rate}; give lower rates",
            )
        return self


class GeneratorUse(Model):
    """A generator and how many candidates it gives per clip."""

    use: str = Field(description="a name from `gensr-pref generators`, or module:Class")
    name: str | None = Field(
        None,
        pattern=LABEL_PATTERN,
        description="label in candidate ids; needed where one generator is used twice",
    )
    candidates: int = Field(4, ge=1)
    options: dict[str, Any] = Field(default_factory=dict)
    seeds: str | None = Field(
        None,
        description="seeds as if it had this label: generators that name the same one draw the "
        "same noise; null: its own label",
    )


class MetricUse(Model):
    """A metric of the panel."""

    metric: str = Field(description="a name from `gensr-pref metrics`, or module:Class")
    vote: bool | list[str] | None = Field(
        None, description="true or false for all its scores, or a list of scores; null: as usual"
    )
    optional: bool = Field(False, description="true: go on without it where weights are missing")
    options: dict[str, Any] = Field(default_factory=dict)


class Pairing(Model):
    """The rule that turns scores into pairs."""

    rule: str = Field(
        "unanimous",
        description="unanimous, top_bottom, weighted, golden, or one of yours as module:function",
    )
    pairs_per_clip: int = Field(1, ge=1)
    votes: list[str] | None = Field(None, description="the scores that vote; null: the panel's")
    margin: dict[str, Annotated[float, Field(ge=0)]] = Field(
        default_factory=dict, description="per score: chosen must be better by more than this"
    )
    tie: dict[str, Literal["allow", "veto"]] = Field(
        default_factory=dict, description="per score: whether equal scores let a pair stand"
    )
    min: dict[str, float] = Field(
        default_factory=dict, description="per score: floor that chosen must reach"
    )
    max: dict[str, float] = Field(
        default_factory=dict, description="per score: ceiling that chosen must not pass (wer)"
    )
    across_generators: bool = Field(False, description="whether a pair may cross generators")
    score: str | None = Field(
        None, description="top_bottom: the score that ranks; null: the only one that votes"
    )
    extremes: int = Field(
        1, ge=1, description="top_bottom: so many of the best meet so many of the worst (Z)"
    )
    weights: dict[str, Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict, description="weighted: per score; empty: 1 for every vote"
    )
    units: Literal["spread", "raw"] = Field(
        "spread", description="weighted: what scores are in when they are summed"
    )
    gap: float = Field(0.0, ge=0, description="weighted: by more than this, chosen's sum is larger")


class Engine(Model):
    """How the work is run; changes nothing in the tables, unless a limit is reached."""

    kind: Literal["serial", "ray"] = "ray"
    workers: Literal["auto"] | Annotated[int, Field(ge=1)] = Field(
        "auto", description="processes; auto = one per CPU"
    )
    address: str | None = Field(None, description="ray: auto for a running cluster; null = local")
    retries: int = Field(2, ge=0, description="how often a shard whose worker died is tried again")
    device: str = Field("cpu", description="torch device of the generators")
    generator_gpus: float | None = Field(
        None,
        ge=0,
        description="ray: GPUs of a process that samples, such as 0.25; null: 1 on cuda, else 0",
    )
    scorer_device: str | None = Field(
        None, description="torch device of the metrics; null: that of the generators"
    )
    scorer_gpus: float | None = Field(
        None, ge=0, description="ray: GPUs of a process that scores; null: 1 on cuda, else 0"
    )
    scorers: Literal["auto"] | Annotated[int, Field(ge=1)] = Field(
        "auto",
        description="ray: processes that score, where the devices differ; else all do both; "
        "auto = those that CPUs or GPUs are left for",
    )
    shards_in_flight: int | None = Field(
        None, ge=1, description="ray: sampled and not scored yet, at most; null: twice the scorers"
    )
    limit_seconds: float | None = Field(
        3600,
        gt=0,
        description="what a generator, or the panel, may take for one clip before it has failed "
        "on it; null: no limit",
    )
    shard_clips: int = Field(16, ge=1, description="clips per part file; this one shapes the files")

    @property
    def scoring_device(self) -> str:
        """The torch device of the metrics."""
        return self.scorer_device or self.device


class Credit(Model):
    """A work that went into the clips: what an export owes its makers. Shapes nothing."""

    of: Literal["speech", "noise", "rooms", "other"]
    name: str = Field(min_length=1, description="as its makers call it")
    licence: str = Field(
        min_length=1, description="SPDX identifier where there is one, such as CC-BY-4.0"
    )
    by: str | None = Field(None, description="whom the licence wants named")
    url: str | None = Field(None, pattern=r"^https?://\S+$", description="where it is from")
    cite: str | None = Field(None, description="the paper to cite")


class Run(Model):
    """A whole run file."""

    name: str = "run"
    seed: int = 0
    credits: list[Credit] = Field(
        default_factory=list,
        description="the recordings and their licences, for what is published of the run; may be "
        "added to a finished run by building it again",
    )
    corpus: Corpus
    generators: list[GeneratorUse] = Field(min_length=1)
    panel: list[MetricUse] = Field(min_length=1)
    pairing: Pairing = Field(default_factory=Pairing)
    engine: Engine = Field(default_factory=Engine)
    provenance: dict[str, Any] | None = Field(
        None, exclude=True, description="what a build writes into its run.yaml; not read"
    )


def load(path: Path, overrides: Sequence[str] = ()) -> Run:
    """Read a run file.

    Args:
        path: YAML.
        overrides: ``key=value`` with dotted keys (``corpus.limit=8``, ``panel.0.vote=false``);
            values are YAML.

    Raises:
        ConfigError: the file cannot be read, or a field is wrong; the message names it.
    """
    data = override(read_yaml(path), overrides)
    _refuse_passwords(data, path)
    return parse(data, Run, path)


def load_any(
    source: M | Mapping[str, Any] | str | Path,
    model: type[M],
    base: str | Path | None = None,
    overrides: Sequence[str] = (),
) -> tuple[M, Path]:
    """Return what a Python caller gives as a run, recipe or evaluation, and its base folder.

    Args:
        source: a YAML file, its data, or the model itself.
        model: what the data are checked against.
        base: the folder that relative paths start from; None: that of the file, else the working
            folder.
        overrides: as in `load`.

    Raises:
        ConfigError: the file cannot be read, or a field is wrong; the message names it.
    """
    if isinstance(source, model) and not overrides:
        return source, Path(base or "").absolute()
    path = Path(source) if isinstance(source, str | Path) else None
    if isinstance(source, str | Path):
        data = read_yaml(Path(source))
    else:
        data = resolved(source) if isinstance(source, BaseModel) else dict(source)
    data = override(data, overrides)
    _refuse_passwords(data, path)
    folder = base or ("" if path is None else path.resolve().parent)
    return parse(data, model, path), Path(folder).absolute()


def _refuse_passwords(node: Any, path: Path | None, within: str = "") -> None:
    """Refuse an address with a password: a run file is written into run.yaml, as it is.

    Raises:
        ConfigError: the message does not repeat it.
    """
    children = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in children:
        field = f"{within}.{key}" if within else str(key)
        if isinstance(value, dict | list):
            _refuse_passwords(value, path, field)
        elif isinstance(value, str) and redact_secrets(value, {}) != value:
            raise ConfigError(
                "a password does not belong into an address here, as it is written into "
                "run.yaml. Give it the way its store expects, such as the environment",
                field=field,
                path=path,
                problem=Problem.UNSAFE,
            )


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file whose top level is a mapping.

    Raises:
        ConfigError: it is not there, is not YAML, or holds something else.
    """
    try:
        text = files.read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"cannot be read ({error}). Give the path of a run file.",
            path=path,
            problem=Problem.UNREADABLE,
        ) from error
    try:
        data = documents.parse_yaml(text)
    except ValueError as error:
        raise ConfigError(f"not YAML: {error}", path=path, problem=Problem.INVALID) from error
    if data is None:
        raise ConfigError("is empty", path=path, problem=Problem.EMPTY)
    if not isinstance(data, dict):
        raise ConfigError(
            f"holds {type(data).__name__}, not the fields of a run file",
            path=path,
            value=type(data).__name__,
            problem=Problem.INVALID,
        )
    return data


def parse(
    data: dict[str, Any], model: type[M], path: Path | str | None = None, field: str = ""
) -> M:
    """Check data against a model.

    Args:
        path: the file that they are from, for the error message.
        field: where they stand in it; absent = they are the whole.

    Raises:
        ConfigError: one line per wrong field: its dotted name, what is wrong, what is allowed.
    """
    try:
        return model.model_validate(data)
    except pydantic.ValidationError as error:
        found = error.errors(include_url=False)
        each = {str(one): one for one in (complaint(model, data, item, field) for item in found)}
        raise ConfigError.joined(path, list(each.values())) from error


def resolved(run: BaseModel) -> dict[str, Any]:
    """All fields with their defaults written out, as JSON-able data."""
    return run.model_dump(mode="json")


def override(data: dict[str, Any], assignments: Sequence[str]) -> dict[str, Any]:
    """Apply ``dotted.key=YAML value`` assignments to nested data; lists are indexed by number.

    Raises:
        ConfigError: an assignment without ``=``, with bad YAML, or through a value that has no
            fields; a text in place of a list of them.
    """
    require_list(assignments)
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not key:
            raise ConfigError(
                f"{assignment!r}: write key=value, such as corpus.limit=8",
                value=assignment,
                field=parameter("overrides"),
                problem=Problem.MISSING,
            )
        try:
            value = documents.parse_yaml(text)
        except ValueError as error:
            raise ConfigError(
                f"{assignment!r}: the value is not YAML: {error}",
                value=assignment,
                field=parameter("overrides"),
                problem=Problem.UNREADABLE,
            ) from error
        data = _assigned(data, key.split("."), value, assignment)
    return data


def require_list(overrides: Sequence[str]) -> None:
    """Refuse one text in place of a list of overrides.

    Raises:
        ConfigError: it is one.
    """
    if isinstance(overrides, str):
        raise ConfigError(
            f"{overrides!r} is a text; give a list of key=value",
            field=parameter("overrides"),
            value=overrides,
            problem=Problem.INVALID,
        )


def _assigned(node: Any, keys: list[str], value: Any, assignment: str) -> Any:
    """A copy of `node` with one leaf replaced."""
    if not keys:
        return value
    head, *rest = keys
    if isinstance(node, list):
        if not head.isdigit() or int(head) >= len(node):
            raise ConfigError(
                f"{assignment!r}: {head!r} must be a number from 0 to {len(node) - 1}",
                value=assignment,
                field=parameter("overrides"),
                problem=Problem.UNKNOWN,
            )
        place = int(head)
        return [*node[:place], _assigned(node[place], rest, value, assignment), *node[place + 1 :]]
    if node is None:
        node = {}
    if not isinstance(node, dict):
        raise ConfigError(
            f"{assignment!r}: nothing below {head!r} can be set",
            value=assignment,
            field=parameter("overrides"),
            problem=Problem.CONFLICT,
        )
    return {**node, head: _assigned(node.get(head), rest, value, assignment)}
