"""The page: an audit and some sound, as one HTML file that asks nothing of any network."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gensr_pref.auditing.exhibits import KINDS
from gensr_pref.auditing.report.answers import answers
from gensr_pref.auditing.report.figures import figures
from gensr_pref.auditing.report.format import format_number, percent, property_label
from gensr_pref.errors import quantity
from gensr_pref.untrusted.text import escape_all, escape_invisible

VERDICTS = {
    "good": "● fine",
    "look": "▲ judge for yourself",
    "bad": "■ warning",
    "unknown": "○ undecided",
}
MIME = {b"fLaC": "audio/flac", b"RIFF": "audio/wav", b"OggS": "audio/ogg"}


@dataclass(frozen=True)
class AudioTrack:
    """One sound of a pair.

    Attributes:
        role: chosen, rejected, noisy or clean.
        sound: an encoded file.
        picture: its spectrogram, a JPEG.
        about: what is known of it, such as the generator and what it was drawn with.
    """

    role: str
    sound: bytes
    picture: bytes
    about: str = ""


@dataclass(frozen=True)
class Exhibit:
    """A pair to hear.

    Attributes:
        kind: one of `gensr_pref.auditing.exhibits.KINDS`.
        clip_id, text: of the clip; the text is None where it is not known.
        margins: by how much chosen is better, per score, in the score's unit; None where unknown.
        tracks: in the order of the page.
    """

    kind: str
    clip_id: str
    text: str | None
    margins: dict[str, float | None]
    tracks: Sequence[AudioTrack]


def render_page(
    found: dict[str, Any], exhibits: Sequence[Exhibit], notes: Sequence[str] = ()
) -> str:
    """The report.

    Args:
        found: what `gensr_pref.auditing.run_audit.audit` gave, the whole of it.
        exhibits: pairs to hear.
        notes: sentences about what the page leaves out.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    found = escape_all(found)
    environment = Environment(
        loader=PackageLoader("gensr_pref.auditing.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_show,
    )
    environment.filters |= {
        "fixed": _fixed,
        "quantity": quantity,
        "number": format_number,
        "share": percent,
        "bounds": _bounds,
        "labelled": property_label,
        "uri": _uri,
    }
    return environment.get_template("page.html").render(
        found=found,
        answers=answers(found),
        figures=figures(found),
        exhibits=exhibits,
        kinds=KINDS,
        words=VERDICTS,
        notes=notes,
    )


def _show(value: Any) -> Any:
    """Text of others, all of it seen; what is HTML already stays as it is."""
    return escape_invisible(value) if type(value) is str else value


def _uri(data: bytes) -> str:
    mime = MIME.get(data[:4], "image/jpeg")
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"


def _fixed(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _bounds(value: Sequence[float | None] | None, as_percent: bool = False) -> str:
    """The last two of a triple, or both of a pair; empty where there is no value."""
    if value is None:
        return ""
    if value[-1] is None:
        return "too few"
    shown = [percent(one) if as_percent else f"{one:+.3f}" for one in value[-2:]]
    return f"[{', '.join(shown)}]"
