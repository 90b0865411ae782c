"""Identifies the recordings of a run by their content, and refuses a run if they have changed.

The content of a clip's recording is compared with its digest in ``shards.jsonl``. Noises and
impulse responses are compared with one digest per kind in ``run.yaml``, because any of them may be
drawn for any clip. ``recordings.jsonl`` keeps the fingerprint of each file: files with unchanged
size and time are not read again, and messages can name the files that have changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field, replace
from pathlib import Path

from gensr_pref.corpus.clip_spec import ClipSpec
from gensr_pref.corpus.fingerprints import Fingerprint, read_fingerprints
from gensr_pref.errors import Problem, RunMismatchError, quantity
from gensr_pref.identity import digest
from gensr_pref.rundir import part_files
from gensr_pref.rundir.document import Provenance

RECORDINGS = "recordings.jsonl"  # of a run directory
_KINDS = ("speech", "clean")  # kinds of an item's files, in order
_SHOWN = 3
Library = Mapping[str, Mapping[str, Sequence[str]]]


@dataclass(frozen=True)
class Recordings:
    """Fingerprints of a run's recordings by kind and name, such as ``noise/babble.flac``.

    Attributes:
        before: fingerprints that the run directory has; empty if it is new.
        now: present fingerprints.
        by_path: present fingerprints of noises and impulse responses, by path.
    """

    before: Mapping[str, Fingerprint] = field(default_factory=dict)
    now: Mapping[str, Fingerprint] = field(default_factory=dict)
    by_path: Mapping[str, Fingerprint] = field(default_factory=dict)

    def library(self) -> dict[str, str]:
        """Return the digests of all noises and of all impulse responses, by kind."""
        kinds = sorted({_kind(name) for name in self.now} - set(_KINDS))
        return {kind: digest(self._of(self.now, kind)) for kind in kinds}

    def differences(self, kind: str) -> list[str]:
        """Name the recordings of a kind that are new, missing or replaced."""
        old, new = dict(self._of(self.before, kind)), dict(self._of(self.now, kind))
        verdicts = [
            *((name, "new") for name in new.keys() - old.keys()),
            *((name, "missing") for name in old.keys() - new.keys()),
            *((name, "replaced") for name in old.keys() & new.keys() if old[name] != new[name]),
        ]
        return [f"{name} ({verdict})" for name, verdict in sorted(verdicts)]

    def is_replaced(self, source_id: str) -> bool:
        """Return whether the audio of a recording or of its clean counterpart has changed."""
        names = [f"{kind}/{source_id}" for kind in _KINDS]
        both = [(self.before[n], self.now[n]) for n in names if n in self.before and n in self.now]
        return any(old.digest != new.digest for old, new in both)

    @staticmethod
    def _of(fingerprints: Mapping[str, Fingerprint], kind: str) -> list[tuple[str, str]]:
        """Return the names and digests of a kind, sorted."""
        return sorted(
            (name, entry.digest) for name, entry in fingerprints.items() if _kind(name) == kind
        )


def identify_contents(
    out: Path, clips: Sequence[ClipSpec], library: Library
) -> tuple[tuple[ClipSpec, ...], Recordings]:
    """Return the clips with the fingerprints of their recordings, and all recordings.

    Only files that are new or whose size or time has changed are read.

    Args:
        out: the run directory, which need not exist yet.
        library: the files of noises and impulse responses, by kind and name.

    Raises:
        SourceError: a file cannot be read.
    """
    speech = {name: path for spec in clips for name, path in _files_by_name(spec)}
    library_files = {
        f"{kind}/{name}": path
        for kind, parts in library.items()
        for name, paths in parts.items()
        for path in paths
    }
    files = {name: Path(path) for name, path in {**speech, **library_files}.items()}
    before = read_recordings(out)
    now = read_fingerprints(files, before)
    identified = tuple(
        replace(spec, contents=tuple(now[name] for name, _ in _files_by_name(spec)))
        for spec in clips
    )
    return identified, Recordings(
        before, now, {path: now[name] for name, path in library_files.items()}
    )


def write_recordings(out: Path, recordings: Recordings) -> None:
    """Write the fingerprints of all recordings to ``recordings.jsonl`` if they have changed."""
    if recordings.before != recordings.now:
        now = recordings.now
        lines = [{"recording": name, **asdict(entry)} for name, entry in sorted(now.items())]
        part_files.write_json_lines(out / RECORDINGS, [{"digest": _digest(now)}, *lines])


def require_same_library(out: Path, existing: Provenance, recordings: Recordings) -> None:
    """Refuse other noises and impulse responses than those that the run was made with.

    Args:
        existing: provenance in the run's ``run.yaml``.

    Raises:
        RunMismatchError: they have changed; the message names them.
    """
    now, before = recordings.library(), existing.library or {}
    for kind in sorted(now.keys() | before.keys()):
        if now.get(kind) != before.get(kind):
            changes = recordings.differences(kind) or ["it is unknown which"]
            raise RunMismatchError(
                f"the {kind} recordings of corpus.degrade are not those that it was made "
                f"with: {_join_names(changes)}. Old and new clips would be degraded "
                "differently. Restore the files, or choose another folder",
                path=out,
                value=kind,
                problem=Problem.CHANGED,
            )


def require_same_speech(out: Path, changed: Sequence[ClipSpec], recordings: Recordings) -> None:
    """Refuse recordings that have changed since clips were made from them.

    Args:
        changed: the clips whose recording has changed.

    Raises:
        RunMismatchError: `changed` is not empty.
    """
    if not changed:
        return
    names = dict.fromkeys(spec.item.source_id for spec in changed)
    what = {True: "audio", False: "audio, text, speaker or language"}
    changes = [f"{name} ({what[recordings.is_replaced(name)]})" for name in names]
    raise RunMismatchError(
        f"{quantity(len(names), 'recording')} changed since their clips were made: "
        f"{_join_names(changes)}. Restore them to continue this run, or choose another folder",
        path=out,
        value=list(names),
        problem=Problem.CHANGED,
    )


def _files_by_name(spec: ClipSpec) -> Iterable[tuple[str, str]]:
    """Return the names and paths of the files of a clip's recording."""
    kinds = zip(_KINDS, spec.item.files, strict=False)
    return [(f"{kind}/{spec.item.source_id}", path) for kind, path in kinds]


def _kind(name: str) -> str:
    return name.partition("/")[0]


def _join_names(names: Sequence[str]) -> str:
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def read_recordings(out: Path) -> dict[str, Fingerprint]:
    """Read the fingerprints in a run directory; empty if a line was edited or lost."""
    fingerprints = {}
    written = None
    for line in part_files.read_json_lines(out / RECORDINGS):
        try:
            if "recording" not in line:
                written = line["digest"]
                continue
            name = str(line.pop("recording"))
            fingerprints[name] = Fingerprint(**line)
        except (TypeError, KeyError, AttributeError):
            continue
    return fingerprints if written in (None, _digest(fingerprints)) else {}


def _digest(fingerprints: Mapping[str, Fingerprint]) -> str:
    return digest([[name, *astuple(entry)] for name, entry in sorted(fingerprints.items())])
