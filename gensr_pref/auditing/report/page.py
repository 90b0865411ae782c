"""Renders the report page: an audit with audio examples, as one HTML file that needs no network."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gensr_pref.auditing.document import Audit
from gensr_pref.auditing.exhibits import KINDS
from gensr_pref.auditing.report.figures import figures
from gensr_pref.auditing.report.findings import LEAK_NAMES, list_findings
from gensr_pref.auditing.report.format import format_significant, percent, property_label
from gensr_pref.errors import quantity
from gensr_pref.pairing.base import NO_PAIR_REASONS
from gensr_pref.untrusted.text import escape_all, escape_invisible

VERDICTS = {
    "good": "● good",
    "check": "▲ check",
    "problem": "■ problem",
    "undecided": "○ undecided",
}
MIME = {b"fLaC": "audio/flac", b"RIFF": "audio/wav", b"OggS": "audio/ogg"}


@dataclass(frozen=True)
class AudioTrack:
    """One sound of a pair.

    Attributes:
        role: chosen, rejected, noisy or clean.
        sound: an encoded audio file.
        picture: its spectrogram, a JPEG.
        about: a description, such as the generator and its sampling settings.
    """

    role: str
    sound: bytes
    picture: bytes
    about: str = ""


@dataclass(frozen=True)
class Exhibit:
    """A pair to listen to.

    Attributes:
        kind: one of `gensr_pref.auditing.exhibits.KINDS`.
        clip_id, text: id and transcript of the clip; the text is None if unknown.
        margins: how much better chosen is, per score, in the score's unit; None if unknown.
        tracks: in the order of the page.
    """

    kind: str
    clip_id: str
    text: str | None
    margins: dict[str, float | None]
    tracks: Sequence[AudioTrack]


def render_page(audit: Audit, exhibits: Sequence[Exhibit], notes: Sequence[str] = ()) -> str:
    """Return the report page.

    Args:
        audit: the complete result of `gensr_pref.auditing.run_audit.audit`.
        exhibits: pairs to listen to.
        notes: sentences about what the page leaves out.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    audit = escape_all(audit)
    environment = Environment(
        loader=PackageLoader("gensr_pref.auditing.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_show,
    )
    environment.filters |= {
        "fixed": _format_fixed,
        "quantity": quantity,
        "number": format_significant,
        "share": percent,
        "bounds": _bounds,
        "label": property_label,
        "uri": _uri,
    }
    return environment.get_template("page.html").render(
        audit=audit,
        findings=list_findings(audit),
        figures=figures(audit),
        exhibits=exhibits,
        kinds=KINDS,
        verdicts=VERDICTS,
        notes=notes,
        stop_reasons=NO_PAIR_REASONS,
        leak_names=LEAK_NAMES,
    )


def _show(value: Any) -> Any:
    """Make hidden characters of a text visible; HTML is left as it is."""
    return escape_invisible(value) if type(value) is str else value


def _uri(data: bytes) -> str:
    mime = MIME.get(data[:4], "image/jpeg")
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"


def _format_fixed(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _bounds(value: Sequence[float | None] | None, as_percent: bool = False) -> str:
    """Return the last two of a triple, or both of a pair, in brackets; empty without a value."""
    if value is None:
        return ""
    if value[-1] is None:
        return "too few"
    shown = [percent(bound) if as_percent else f"{bound:+.3f}" for bound in value[-2:]]
    return f"[{', '.join(shown)}]"
