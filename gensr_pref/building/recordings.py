"""The recordings that a run is made from, told by their content; kept in ``recordings.jsonl``.

A clip's recording is compared with the digest that ``shards.jsonl`` has for it, noises and impulse
responses with the digest of all of them that ``run.yaml`` has: any of them may be drawn at any
time. ``recordings.jsonl`` spares reading files again that look as they did, and says by name which
ones are others now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field, replace
from pathlib import Path

from gensr_pref.corpus.clips import ClipSpec
from gensr_pref.corpus.fingerprints import Fingerprint, read_fingerprints
from gensr_pref.errors import Problem, RunMismatchError, quantity
from gensr_pref.identity import digest
from gensr_pref.rundir import part_files
from gensr_pref.rundir.document import Provenance

RECORDINGS = "recordings.jsonl"  # of a run directory
_KINDS = ("speech", "clean")  # the files of an item, in their order
_SHOWN = 3
Library = Mapping[str, Mapping[str, Sequence[str]]]


@dataclass(frozen=True)
class Recordings:
    """The files of a run's recordings by kind and name, such as ``noise/babble.flac``.

    Attributes:
        there: as the run directory has them; nothing where it is new.
        now: as they are.
        by_path: noises and impulse responses, by path.
    """

    there: Mapping[str, Fingerprint] = field(default_factory=dict)
    now: Mapping[str, Fingerprint] = field(default_factory=dict)
    by_path: Mapping[str, Fingerprint] = field(default_factory=dict)

    def library(self) -> dict[str, str]:
        """A digest of all noises, and one of all impulse responses, where there are any."""
        kinds = sorted({_kind(name) for name in self.now} - set(_KINDS))
        return {kind: digest(self._of(self.now, kind)) for kind in kinds}

    def differences(self, kind: str) -> list[str]:
        """What is new, gone or replaced among the noises or impulse responses, by name."""
        old, new = dict(self._of(self.there, kind)), dict(self._of(self.now, kind))
        verdicts = [
            *((name, "new") for name in new.keys() - old.keys()),
            *((name, "gone") for name in old.keys() - new.keys()),
            *((name, "replaced") for name in old.keys() & new.keys() if old[name] != new[name]),
        ]
        return [f"{name} ({verdict})" for name, verdict in sorted(verdicts)]

    def is_replaced(self, source_id: str) -> bool:
        """Whether a recording or its clean counterpart holds another sound than before."""
        names = [f"{kind}/{source_id}" for kind in _KINDS]
        both = [(self.there[n], self.now[n]) for n in names if n in self.there and n in self.now]
        return any(old.digest != new.digest for old, new in both)

    @staticmethod
    def _of(known: Mapping[str, Fingerprint], kind: str) -> list[tuple[str, str]]:
        return sorted((name, one.digest) for name, one in known.items() if _kind(name) == kind)


def identify_contents(
    out: Path, clips: Sequence[ClipSpec], library: Library
) -> tuple[tuple[ClipSpec, ...], Recordings]:
    """Clips that know what their recordings hold, and all recordings.

    Files are read where they are new or do not look as they did.

    Args:
        out: the run directory, which need not exist yet.
        library: the files of noises and impulse responses, by kind and name.

    Raises:
        SourceError: a file cannot be read.
    """
    places = {name: path for spec in clips for name, path in _files_by_name(spec)}
    extra = {
        f"{kind}/{name}": path
        for kind, parts in library.items()
        for name, paths in parts.items()
        for path in paths
    }
    files = {name: Path(path) for name, path in {**places, **extra}.items()}
    there = read_recordings(out)
    now = read_fingerprints(files, there)
    known = tuple(
        replace(spec, contents=tuple(now[name] for name, _ in _files_by_name(spec)))
        for spec in clips
    )
    return known, Recordings(there, now, {path: now[name] for name, path in extra.items()})


def write_recordings(out: Path, found: Recordings) -> None:
    """Write down what the recordings hold, where that is not written yet."""
    if found.there != found.now:
        lines = [{"recording": name, **asdict(one)} for name, one in sorted(found.now.items())]
        part_files.write_json_lines(out / RECORDINGS, [{"digest": _digest(found.now)}, *lines])


def require_same_library(out: Path, there: Provenance, found: Recordings) -> None:
    """Refuse noises and impulse responses that are not those that a run was made with.

    Args:
        there: of the run's ``run.yaml``.

    Raises:
        RunMismatchError: they are others; the message names them.
    """
    now, before = found.library(), there.library or {}
    for kind in sorted(now.keys() | before.keys()):
        if now.get(kind) != before.get(kind):
            changes = found.differences(kind) or ["which ones is not known"]
            raise RunMismatchError(
                f"the {kind} recordings of corpus.degrade are not those that it was made "
                f"with: {_join_names(changes)}. Old and new clips would not be "
                "of one corpus. Restore them, or choose another folder",
                path=out,
                value=kind,
                problem=Problem.CHANGED,
            )


def require_same_speech(out: Path, changed: Sequence[ClipSpec], found: Recordings) -> None:
    """Refuse recordings that hold something else than what clips were made from.

    Args:
        changed: the clips whose recording is another now.

    Raises:
        RunMismatchError: there are any.
    """
    if not changed:
        return
    names = dict.fromkeys(spec.item.source_id for spec in changed)
    told = [
        f"{name} ({'sound' if found.is_replaced(name) else 'sound, text, speaker or language'})"
        for name in names
    ]
    raise RunMismatchError(
        f"{quantity(len(names), 'recording')} changed since its clips were made: "
        f"{_join_names(told)}. Restore what changed to continue this run, or choose another folder",
        path=out,
        value=list(names),
        problem=Problem.CHANGED,
    )


def _files_by_name(spec: ClipSpec) -> Iterable[tuple[str, str]]:
    """The files of a clip's recording, by name."""
    kinds = zip(_KINDS, spec.item.files, strict=False)
    return [(f"{kind}/{spec.item.source_id}", path) for kind, path in kinds]


def _kind(name: str) -> str:
    return name.partition("/")[0]


def _join_names(names: Sequence[str]) -> str:
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def read_recordings(out: Path) -> dict[str, Fingerprint]:
    """What a run directory has of its recordings; nothing where a line was edited or is lost."""
    found = {}
    written = None
    for line in part_files.read_json_lines(out / RECORDINGS):
        try:
            if "recording" not in line:
                written = line["digest"]
                continue
            name = str(line.pop("recording"))
            found[name] = Fingerprint(**line)
        except (TypeError, KeyError, AttributeError):
            continue
    return found if written in (None, _digest(found)) else {}


def _digest(known: Mapping[str, Fingerprint]) -> str:
    return digest([[name, *astuple(one)] for name, one in sorted(known.items())])
