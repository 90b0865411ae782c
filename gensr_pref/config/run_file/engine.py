"""The section ``engine`` of a run file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gensr_pref.config.run_file.fields import Model


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
    retries: int = Field(
        2,
        ge=0,
        description="ray: how often a shard is tried again if its worker died; not if a single "
        "metric ended it (see docs/building.md)",
    )
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
