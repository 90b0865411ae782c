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
    """The names of the columns of a table; null if the table has no such column."""

    audio: str | None = Field(
        "path", description="column with the recording, as a path or as Audio bytes"
    )
    clean: str | None = Field(
        None,
        description="column with the clean recording, if the source has noisy and clean "
        "recordings in pairs",
    )
    text: str | None = Field(None, description="column with the spoken words")
    speaker: str | None = Field(None, description="column with the name of the speaker")
    language: str | None = Field(None, description="column with an ISO 639 code")


class ManifestSource(Model):
    """A CSV, TSV or JSON-lines table with one path per row."""

    kind: Literal["manifest"] = "manifest"
    path: str = Field(
        description="the table; its suffix determines whether it is read as CSV, TSV or JSON lines"
    )
    root: str | None = Field(
        None,
        description="folder that paths in the table are relative to; paths that lead outside "
        "are refused; null: the table's folder",
    )
    columns: Columns = Field(default_factory=lambda: Columns())


class FolderSource(Model):
    """Every audio file below a folder."""

    kind: Literal["folder"] = "folder"
    path: str = Field(description="the folder")
    speaker: Literal["none", "parent"] = Field(
        "none",
        description="parent: the name of a file's folder is its speaker; none: speakers are "
        "unknown",
    )


class PairedSource(Model):
    """Noisy and clean recordings that already exist, matched by name."""

    kind: Literal["paired"] = "paired"
    noisy: str = Field(description="folder of noisy files")
    clean: str = Field(
        description="folder of clean files with the same relative names (any suffix)"
    )


class ParquetSource(Model):
    """Parquet files with an Audio column (or bytes, or paths) and optional text and speaker."""

    kind: Literal["parquet"] = "parquet"
    path: str = Field(description="a file, a folder or a glob pattern")
    columns: Columns = Field(default_factory=lambda: Columns(audio="audio"))


class HuggingFaceSource(Model):
    """A dataset on the Hub or in a local folder, read through `datasets`."""

    kind: Literal["huggingface"] = "huggingface"
    path: str = Field(description="name of the dataset on the Hub, or a local folder")
    config: str | None = Field(None, description="config of the dataset")
    split: str = Field("train", description="split of the dataset")
    revision: str | None = Field(None, description="commit, tag or branch on the Hub")
    columns: Columns = Field(default_factory=lambda: Columns(audio="audio"))


Source = Annotated[
    ManifestSource | FolderSource | PairedSource | ParquetSource | HuggingFaceSource,
    Field(discriminator="kind"),
]
FileSource = Annotated[ManifestSource | FolderSource, Field(discriminator="kind")]


class Reverb(Model):
    """Reverberation by a simulated room (image source method) or a recorded impulse response."""

    probability: Probability = 0.5
    rt60_s: PositiveRange = Field(
        (0.2, 0.8),
        description="reverberation time in seconds, drawn uniformly; for simulated rooms",
    )
    distance_m: PositiveRange = Field(
        (0.5, 3.0), description="distance from source to microphone in metres; for simulated rooms"
    )
    source: FileSource | None = Field(
        None, description="recorded impulse responses; null: rooms are simulated"
    )


class Clipping(Model):
    """Clipping of the amplitude at a share of the clip's peak."""

    probability: Probability = 0.25
    threshold: PositiveRange = Field((0.06, 0.9), description="share of the peak, drawn uniformly")


class BandLimit(Model):
    """Resampling down to one of the rates and back."""

    probability: Probability = 0.5
    rates_hz: list[Annotated[int, Field(ge=1000)]] = Field(
        [4000, 8000], min_length=1, description="rates to draw from"
    )


class Noise(Model):
    """Noise added at a signal-to-noise ratio over active speech (ITU-T P.56)."""

    probability: Probability = 0.9
    source: FileSource = Field(description="recordings of noise")
    snr_db: Range = Field((-5.0, 20.0), description="signal-to-noise ratio in dB")


class Codec(Model):
    """Encoding and decoding by libsndfile."""

    probability: Probability = 0.2
    names: list[Literal["opus", "vorbis", "gsm", "ulaw"]] = Field(
        ["opus", "gsm"],
        min_length=1,
        description="codecs to draw from: opus (about 8 kbit/s), vorbis (about 33), gsm (13, "
        "at 8 kHz), ulaw (64, at 8 kHz)",
    )


class PacketLoss(Model):
    """Replacement of 20 ms packets by silence, in bursts (Gilbert model)."""

    probability: Probability = 0.2
    rate: ShareRange = Field((0.02, 0.15), description="share of packets lost")
    burst: float = Field(2.0, ge=1, description="mean number of packets lost in a row")


class Degrade(Model):
    """Degradations of clean speech, applied in this order; a step that is null is not applied.

    Each step is applied to a clip with its `probability`. If there is only one step, its
    probability is 1 unless it is set.
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
    """The part of the clips that is held out."""

    share: Probability = Field(0.05, description="share of the units that is held out; see by")
    by: Literal["speaker", "source", "clip"] = Field(
        "speaker",
        description="unit that is never divided between training and validation. speaker: all "
        "clips of a speaker (if unknown, of a recording); source: all clips of a "
        "recording; clip: pieces of one recording may be in both",
    )


class Corpus(Model):
    """The recordings, and how clips are made from them."""

    source: Source = Field(description="the recordings")
    sample_rate: int = Field(16000, ge=8000, description="rate of the clips in Hz")
    segment_seconds: PositiveRange = Field(
        (1.0, 20.0),
        description="shortest and longest clip in seconds; shorter recordings are left out, "
        "longer ones are cut into equal pieces",
    )
    languages: list[Annotated[str, AfterValidator(language_code)]] | None = Field(
        None,
        min_length=1,
        description="use only recordings in these languages (ISO 639 codes in the language "
        "column); null: all",
    )
    limit: int | None = Field(
        None,
        ge=1,
        description="largest number of clips; which clips depends only on their ids; null: all",
    )
    degrade: Degrade | None = Field(
        None, description="degradations of the recordings; null: the recordings are already noisy"
    )
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
    """A generator, its options, and the number of candidates per clip."""

    use: str = Field(description="a name from `gensr-pref generators`, or module:Class")
    name: str | None = Field(
        None,
        pattern=LABEL_PATTERN,
        description="label in candidate ids; required if one generator is used twice; null: "
        "the name of the generator",
    )
    candidates: int = Field(4, ge=1, description="number of candidates per clip")
    options: dict[str, Any] = Field(default_factory=dict, description="options of the generator")
    seeds: str | None = Field(
        None,
        description="label that the random seeds are made from; generators with the same one "
        "draw the same noise; null: the label of this generator",
    )


class MetricUse(Model):
    """A metric of the panel, its options, and which of its scores vote."""

    metric: str = Field(description="a name from `gensr-pref metrics`, or module:Class")
    vote: bool | list[str] | None = Field(
        None,
        description="true or false: all scores of the metric vote, or none; a list: these "
        "scores vote; null: the default of the metric",
    )
    optional: bool = Field(
        False, description="true: if weights are missing, the metric is left out"
    )
    options: dict[str, Any] = Field(default_factory=dict, description="options of the metric")


class Pairing(Model):
    """The rule that makes pairs from scores, and its settings."""

    rule: str = Field(
        "unanimous",
        description="unanimous, top_bottom, weighted, golden, or a function of your own as "
        "module:function",
    )
    pairs_per_clip: int = Field(1, ge=1, description="largest number of pairs of one clip")
    votes: list[str] | None = Field(None, description="scores that vote; null: as the panel says")
    margin: dict[str, Annotated[float, Field(ge=0)]] = Field(
        default_factory=dict,
        description="per score: the chosen candidate must be better by more than this",
    )
    tie: dict[str, Literal["allow", "veto"]] = Field(
        default_factory=dict,
        description="per score: whether a difference within the margin allows the pair or "
        "vetoes it",
    )
    min: dict[str, float] = Field(
        default_factory=dict, description="per score: lower bound for the chosen candidate"
    )
    max: dict[str, float] = Field(
        default_factory=dict,
        description="per score: upper bound for the chosen candidate, such as for wer",
    )
    across_generators: bool = Field(
        False, description="whether chosen and rejected may come from different generators"
    )
    score: str | None = Field(
        None,
        description="top_bottom: the score that ranks the candidates; null: the only voting score",
    )
    extremes: int = Field(
        1,
        ge=1,
        description="top_bottom: each of this many best candidates is paired with each of as "
        "many worst (Z)",
    )
    weights: dict[str, Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict,
        description="weighted: weight of each score; empty: 1 for every voting score",
    )
    units: Literal["spread", "raw"] = Field(
        "spread",
        description="weighted: raw: scores as they are; spread: each score divided by its spread",
    )
    gap: float = Field(
        0.0,
        ge=0,
        description="weighted: the sum of the chosen candidate must be larger by more than this",
    )


class Engine(Model):
    """How the work is run. This changes no content of the tables, unless a limit is reached."""

    kind: Literal["serial", "ray"] = Field(
        "ray",
        description="serial: one process; ray: parallel processes, on one machine or on a cluster",
    )
    workers: Literal["auto"] | Annotated[int, Field(ge=1)] = Field(
        "auto", description="number of processes; auto: one per CPU"
    )
    address: str | None = Field(
        None,
        description="ray: address of a running cluster, or auto to find it; null: this machine",
    )
    retries: int = Field(2, ge=0, description="how often a shard is tried again if its worker died")
    device: str = Field("cpu", description="torch device of the generators")
    generator_gpus: float | None = Field(
        None,
        ge=0,
        description="ray: GPUs of each process that samples, such as 0.25; null: 1 on cuda, "
        "otherwise 0",
    )
    scorer_device: str | None = Field(
        None, description="torch device of the metrics; null: as the generators"
    )
    scorer_gpus: float | None = Field(
        None,
        ge=0,
        description="ray: GPUs of each process that scores; null: 1 on cuda, otherwise 0",
    )
    scorers: Literal["auto"] | Annotated[int, Field(ge=1)] = Field(
        "auto",
        description="ray: number of processes that score, if the devices of generators and "
        "metrics differ (otherwise each process samples and scores); auto: as "
        "many as the remaining CPUs or GPUs allow",
    )
    shards_in_flight: int | None = Field(
        None,
        ge=1,
        description="ray: largest number of shards that are sampled but not yet scored; null: "
        "twice the scorers",
    )
    limit_seconds: float | None = Field(
        3600,
        gt=0,
        description="seconds that a generator, or the panel, may take for one clip before it "
        "has failed on that clip; null: no limit",
    )
    shard_clips: int = Field(
        16,
        ge=1,
        description="clips per shard, which is one part file of each table; this field does "
        "affect the files",
    )

    @property
    def scoring_device(self) -> str:
        """The torch device of the metrics."""
        return self.scorer_device or self.device


class Credit(Model):
    """A work that the clips were made from, to be credited in an export. It changes no data."""

    of: Literal["speech", "noise", "rooms", "other"] = Field(
        description="what the work was used as"
    )
    name: str = Field(min_length=1, description="name of the work, as its authors write it")
    licence: str = Field(
        min_length=1, description="SPDX identifier if there is one, such as CC-BY-4.0"
    )
    by: str | None = Field(None, description="whom the licence requires to be named")
    url: str | None = Field(
        None, pattern=r"^https?://\S+$", description="where the work is published"
    )
    cite: str | None = Field(None, description="the paper to cite")


class Run(Model):
    """A complete run file."""

    name: str = Field("run", description="name of the run")
    seed: int = Field(0, description="random seed; all other seeds are derived from it")
    credits: list[Credit] = Field(
        default_factory=list,
        description="the recordings and their licences, for the dataset card; can be added to "
        "a finished run by building it again",
    )
    corpus: Corpus = Field(description="the clips")
    generators: list[GeneratorUse] = Field(
        min_length=1, description="the generators that sample the candidates"
    )
    panel: list[MetricUse] = Field(
        min_length=1, description="the metrics that score the candidates"
    )
    pairing: Pairing = Field(default_factory=Pairing, description="the rule that makes the pairs")
    engine: Engine = Field(default_factory=Engine, description="how the work is run")
    provenance: dict[str, Any] | None = Field(
        None,
        exclude=True,
        description="written by a build into its run.yaml; ignored when a run file is read",
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
