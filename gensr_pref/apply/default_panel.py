"""Chooses the panel of a command from few words, and describes it in full."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gensr_pref.apply.audio_folders import Folders
from gensr_pref.config import plugins, run_file
from gensr_pref.config.run_file import MetricUse
from gensr_pref.errors import ConfigError, Problem, parameter
from gensr_pref.metrics.base import ClipField
from gensr_pref.metrics.panel import Panel

# The metrics of a panel that the user does not name.
ALONE = ("dnsmos", "utmos")  # always; utmos only if its weights are installed
COMPARING = ("speaker_similarity", "pesq", "stoi", "si_sdr")  # also these with a reference
UNRESTORED = ("speaker_similarity",)  # also this with noisy clips but no reference
READING = ("wer",)  # also this with texts


def choose_panel(
    panel: str | None,
    settings: Sequence[str],
    reference: bool,
    align: bool = False,
    texts: bool = False,
    noisy: bool = False,
) -> list[MetricUse]:
    """Return the metrics that the user named, or those that need no more than is given.

    Args:
        panel: names separated by commas, or a YAML file with the ``panel`` section of a run file.
            None: the metrics of this module.
        settings: ``METRIC.OPTION=VALUE``; the value is YAML.
        reference: whether there are clean clips.
        align: whether every metric that can must undo delay and polarity.
        texts: whether there are transcripts.
        noisy: whether there are the clips before restoration.

    Raises:
        InputError: `panel` is not a panel, or a setting names no metric of it.
    """
    uses = [
        run_file.parse(row, MetricUse, field=f"panel.{index}")
        for index, row in enumerate(_rows(panel, reference, texts, noisy))
    ]
    if align:
        uses = _enable_alignment(uses)
    for setting in settings:
        uses = _apply_setting(uses, setting)
    return uses


def describe_panel(panel: Panel) -> Iterator[str]:
    """Yield lines that describe the panel in use: models, licences and what is left out."""
    for member in panel.members:
        spec = member.metric.spec
        known = [text for text in (spec.model, spec.licence) if text != "unknown"]
        yield f"{spec.name}: {', '.join(known) or 'its spec gives neither a version nor a licence'}"
    for name, why in panel.left_out.items():
        yield f"{name} is left out: {why}"
    for notice in panel.notices:
        yield f"note: {notice}"
    for remark in panel.remarks:
        yield f"note: {remark}"


def describe_unused(panel: Panel, folders: Folders) -> Iterator[str]:
    """Yield a line for each input that no metric of the panel uses."""
    used = [member.metric.spec.needs | member.metric.spec.uses for member in panel.members]
    if folders.reference is not None:  # a metric that can use both takes the clean sound
        used = [uses - {"noisy"} if "clean" in uses else uses for uses in used]
    for field, clip_field in _CLIP_FIELDS.items():
        if getattr(folders, field) is not None and not any(clip_field in uses for uses in used):
            yield f"{parameter(field)}: not used; {_USERS[field]}"


_CLIP_FIELDS: dict[str, ClipField] = {
    "reference": "clean", "noisy": "noisy", "texts": "text", "language": "language"
}  # fmt: skip
_USERS = {
    "reference": "metrics that compare with clean clips are " + ", ".join(COMPARING),
    "noisy": "speaker_similarity compares with the noisy clips if no clean ones are given, or "
    "with the option against=noisy",
    "texts": "no metric of the panel uses texts; wer does",
    "language": "no metric of the panel uses a language; wer does",
}


def _rows(panel: str | None, reference: bool, texts: bool, noisy: bool) -> list[Any]:
    if panel is None:
        comparing = COMPARING if reference else UNRESTORED if noisy else ()
        names = [*ALONE, *comparing, *(READING if texts else ())]
        return [{"metric": name, "optional": name == "utmos"} for name in names]
    if not panel.endswith((".yaml", ".yml")):
        return [{"metric": name.strip()} for name in panel.split(",")]
    rows = run_file.read_yaml(Path(panel)).get("panel")
    if not isinstance(rows, list):
        raise ConfigError(
            f"{panel} has no list called `panel`",
            field=parameter("panel"),
            path=panel,
            problem=Problem.MISSING,
        )
    return rows


def _enable_alignment(uses: Sequence[MetricUse]) -> list[MetricUse]:
    """Turn on alignment in every metric that has it.

    Raises:
        ConfigError: no metric has it.
    """
    able = {
        use.metric
        for use in uses
        if "align" in plugins.options_of(plugins.find("metric", use.metric, parameter("panel")))
    }
    if not able:
        raise ConfigError(
            f"no metric of the panel can align. Metrics that compare with a clean clip can, "
            f"such as pesq and stoi: give {parameter('reference')}, or name such metrics with "
            f"{parameter('panel')}",
            field=parameter("align"),
            problem=Problem.EMPTY,
        )
    return [
        use.model_copy(update={"options": {"align": True, **use.options}})
        if use.metric in able
        else use
        for use in uses
    ]


def _apply_setting(uses: list[MetricUse], setting: str) -> list[MetricUse]:
    key = setting.partition("=")[0]
    metric = key.rpartition(".")[0]
    if key in [use.metric for use in uses]:
        options = plugins.options_of(plugins.find("metric", key, parameter("panel")))
        raise ConfigError(
            f"{key} is a metric; name an option of it too, as in {key}.OPTION=VALUE. "
            f"Its options: {', '.join(options) or 'none'}",
            field=parameter("settings"),
            value=setting,
            problem=Problem.INVALID,
        )
    if metric not in [use.metric for use in uses]:
        raise ConfigError(
            f"the panel has no metric {metric!r}. Write METRIC.OPTION=VALUE, such as "
            "wer.recogniser=whisper.",
            field=parameter("settings"),
            value=metric,
            known=[use.metric for use in uses],
        )
    assignment = setting[len(metric) + 1 :]
    return [
        use.model_copy(update={"options": run_file.override(use.options, [assignment])})
        if use.metric == metric
        else use
        for use in uses
    ]
