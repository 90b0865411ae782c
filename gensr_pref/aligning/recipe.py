"""The recipe of an alignment: its models, pairs, objective and length."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from gensr_pref.config import run_file
from gensr_pref.config.messages import WrongTogether

Name = Annotated[str, Field(pattern=run_file.LABEL_PATTERN)]
Paradigm = Literal["ar", "mgm", "fm"]


class RunSource(run_file.Model):
    """The pairs of a run directory."""

    kind: Literal["run"]
    path: str = Field(description="the folder that `gensr-pref build` wrote")


class ExportSource(run_file.Model):
    """The pairs of an exported folder."""

    kind: Literal["export"]
    path: str = Field(description="the folder that `gensr-pref export` wrote")


class HubSource(run_file.Model):
    """The pairs of a dataset on the Hugging Face Hub, streamed."""

    kind: Literal["huggingface"]
    path: str = Field(description="org/name")
    config: str | None = None
    revision: str | None = Field(None, description="commit, tag or branch; absent = main")


PairSource = Annotated[RunSource | ExportSource | HubSource, Field(discriminator="kind")]


class ModelUse(run_file.Model):
    """The generator to align, or its reference."""

    use: str = Field(description="a generator's name, or module:Class")
    options: dict[str, Any] = Field(
        default_factory=dict,
        description="such as checkpoint: the policy's initial weights",
    )


class PairSettings(run_file.Model):
    """The pairs to train on."""

    source: PairSource
    generators: list[Name] | None = Field(
        None,
        description="labels that both sides must be among; absent = the generator's own name",
    )
    encode: Literal["never", "missing", "always"] = Field(
        "never",
        description="whether tokens or latents are encoded from a side's audio; a generator of "
        "another paradigm stores none that fit",
    )
    limit: int | None = Field(
        None, ge=1, description="number of pairs to train on, drawn by the seed"
    )
    held_out: int = Field(
        256,
        ge=0,
        description="held-out pairs, of the validation split; without one, a tenth of the clips is "
        "held out",
    )
    labels: Literal["given", "random"] = Field(
        "given", description="random: the control; a coin flip swaps the sides of a pair"
    )


class Objective(run_file.Model):
    """The loss that is minimised; see docs/alignment.md."""

    name: Literal["dpo", "ipo", "sft"] = "dpo"
    beta: float | None = Field(None, gt=0, description="absent: ar 0.1, mgm 10, fm 1000")
    reduction: Literal["sum", "mean"] | None = Field(
        None, description="reduction of log-likelihoods over tokens; absent: ar sum, mgm mean"
    )
    label_smoothing: float = Field(
        0.0, ge=0, lt=0.5, description="share of wrong labels that dpo assumes"
    )


class Anchor(run_file.Model):
    """Cross-entropy or flow-matching error that is added to the objective."""

    weight: float = Field(0.0, ge=0)
    side: Literal["chosen", "clean"] = "clean"


BETA: dict[str, float] = {"ar": 0.1, "mgm": 10.0, "fm": 1000.0}
REDUCTION: dict[str, Literal["sum", "mean"]] = {"ar": "sum", "mgm": "mean", "fm": "mean"}


class Dpo(run_file.Model):
    """A recipe file that aligns a generator with pairs."""

    recipe: Literal["dpo"] = "dpo"
    seed: int = 0
    generator: ModelUse
    reference: ModelUse | None = Field(
        None, description="the frozen model; absent = the generator before training"
    )
    reference_differs: Literal["refuse", "allow"] = Field(
        "refuse",
        description="whether other weights than the reference may have sampled the pairs",
    )
    pairs: PairSettings
    objective: Objective = Field(default_factory=Objective)
    anchor: Anchor = Field(default_factory=Anchor)
    draws: int = Field(2, ge=1, description="draws of (t, noise), or of masks, per pair and epoch")
    antithetic: bool = Field(True, description="draws in opposite pairs: (t, y_0) and (1-t, -y_0)")
    train: Literal["all", "decoder", "biases"] = Field(
        "all",
        description="decoder: the encoder is frozen, and its output is stored; biases: only biases "
        "and gains, a few thousand numbers, which learn habits and not pairs",
    )
    crop: int | None = Field(
        None, ge=1, description="frames of a random window that both sides are cut to"
    )
    batch: int = Field(16, ge=1, description="pairs per step, over all processes")
    accumulate: int = Field(1, ge=1, description="parts that a batch is divided into")
    epochs: int = Field(1, ge=1)
    steps: int | None = Field(None, ge=1, description="number of steps, in place of epochs")
    learning_rate: float = Field(1e-4, gt=0)
    schedule: Literal["cosine", "constant"] = "cosine"
    warm_up: int = Field(10, ge=0, description="steps of warm-up")
    weight_decay: float = Field(0.0, ge=0)
    clip_norm: float = Field(1.0, gt=0, description="maximum norm of the gradient")
    ema: run_file.Probability = Field(
        0.0, description="decay of the averaged weights; 0 = no averaging"
    )
    precision: Literal["float32", "bfloat16"] = "float32"
    device: Literal["auto", "cpu"] = "auto"
    threads: int = Field(1, ge=1, description="threads on a CPU")
    evaluate_every: int = Field(50, ge=1, description="steps between evaluations on held-out pairs")
    early_stop: int | None = Field(
        None,
        ge=1,
        description="evaluations without a better held-out accuracy before the end; "
        "the best weights are kept",
    )
    log_every: int = Field(10, ge=1, description="steps between lines of the log")
    save_every: int = Field(200, ge=1, description="steps between saved states")
    cache: str | None = Field(
        None, description="folder for features and reference values; absent = OUT/cache"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.batch % self.accumulate:
            raise WrongTogether(
                "batch", self.batch, f"{self.batch} does not divide into {self.accumulate} parts"
            )
        if self.objective.label_smoothing and self.objective.name != "dpo":
            raise WrongTogether(
                "objective.label_smoothing",
                self.objective.label_smoothing,
                f"applies to dpo, not to {self.objective.name}",
            )
        return self


class Average(run_file.Model):
    """A recipe file that averages the weights of checkpoints."""

    recipe: Literal["average"] = "average"
    generator: ModelUse
    checkpoints: list[str] = Field(
        min_length=2, description="values of the generator's option `checkpoint`"
    )
