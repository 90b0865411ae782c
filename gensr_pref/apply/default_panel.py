"""A panel asked for in few words, and described in full."""

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

ALONE = ("dnsmos", "utmos")  # the metrics used where none is named; utmos where its weights are
COMPARING = ("speaker_similarity", "pesq", "stoi", "si_sdr")  # and these where there is a reference
UNRESTORED = ("speaker_similarity",)  # and this where there are only the noisy clips
READING = ("wer",)  # and this where there are texts


def choose_panel(
    panel: str | None,
    settings: Sequence[str],
    reference: bool,
    align: bool = False,
    texts: bool = False,
    noisy: bool = False,
) -> list[MetricUse]:
    """The panel that was asked for.

    Args:
        panel: names with commas between, or a YAML file with a run file's ``panel`` section. None:
            what needs no more than is there.
        settings: ``METRIC.OPTION=VALUE``, the value being YAML.
        reference: whether there are clean clips.
        align: whether every metric that can is to undo delay and polarity.
        texts: whether it is known what is said.
        noisy: whether there are the clips before restoration.

    Raises:
        InputError: what is asked for is no panel, or a setting names no metric of it.
    """
    uses = [
        run_file.parse(row, MetricUse, field=f"panel.{place}")
        for place, row in enumerate(_rows(panel, reference, texts, noisy))
    ]
    if align:
        uses = _enable_alignment(uses)
    for setting in settings:
        uses = _apply_setting(uses, setting)
    return uses


def describe_panel(panel: Panel) -> Iterator[str]:
    """The panel that is really used, in lines to read."""
    for member in panel.members:
        spec = member.metric.spec
        known = [text for text in (spec.model, spec.licence) if text != "unknown"]
        yield f"{spec.name}: {', '.join(known) or 'its spec names neither a version nor a licence'}"
    for name, why in panel.left_out.items():
        yield f"without {name}: {why}"
    for notice in panel.notices:
        yield f"note: {notice}"
    for remark in panel.remarks:
        yield f"note: {remark}"


def describe_unused(panel: Panel, folders: Folders) -> Iterator[str]:
    """What was given that no metric of the panel uses, in lines to read."""
    used = [member.metric.spec.needs | member.metric.spec.uses for member in panel.members]
    if folders.reference is not None:  # a metric that knows both uses the clean sound
        used = [uses - {"noisy"} if "clean" in uses else uses for uses in used]
    for field, given in _GIVEN.items():
        if getattr(folders, field) is not None and not any(given in uses for uses in used):
            yield f"{parameter(field)}: not used; {_USERS[field]}"


_GIVEN: dict[str, ClipField] = {
    "reference": "clean", "noisy": "noisy", "texts": "text", "language": "language"
}  # fmt: skip
_USERS = {
    "reference": "metrics that compare with clean clips are " + ", ".join(COMPARING),
    "noisy": "speaker_similarity compares with the noisy clips where no clean ones are given, or "
    "with the option against=noisy",
    "texts": "no metric of the panel asks for texts; wer does",
    "language": "no metric of the panel asks for a language; wer does",
}


def _rows(panel: str | None, reference: bool, texts: bool, noisy: bool) -> list[Any]:
    if panel is None:
        compared = COMPARING if reference else UNRESTORED if noisy else ()
        names = [*ALONE, *compared, *(READING if texts else ())]
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
    """Let every metric align that can.

    Raises:
        ConfigError: none can.
    """
    able = {
        use.metric
        for use in uses
        if "align" in plugins.options_of(plugins.find("metric", use.metric, parameter("panel")))
    }
    if not able:
        raise ConfigError(
            f"no metric of the panel can. Those that compare with a clean "
            f"clip can, such as pesq and stoi: give {parameter('reference')}, and perhaps "
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
    named = setting.partition("=")[0]
    metric = named.rpartition(".")[0]
    if named in [use.metric for use in uses]:
        options = plugins.options_of(plugins.find("metric", named, parameter("panel")))
        raise ConfigError(
            f"{named} is a metric; name an option of it too, as in {named}.OPTION="
            f"VALUE. Its options: {', '.join(options) or 'none'}",
            field=parameter("settings"),
            value=setting,
            problem=Problem.INVALID,
        )
    if metric not in [use.metric for use in uses]:
        raise ConfigError(
            f"METRIC.OPTION=VALUE is meant, such as wer.recogniser=whisper. "
            f"No metric of the panel is {metric!r}.",
            field=parameter("settings"),
            value=metric,
            known=[u.metric for u in uses],
        )
    assignment = setting[len(metric) + 1 :]
    return [
        use.model_copy(update={"options": run_file.override(use.options, [assignment])})
        if use.metric == metric
        else use
        for use in uses
    ]
