"""The exceptions of this package, as one tree.

    GensrPrefError
    ├── InputError                  the user's input is wrong; nothing long has started (exit 2)
    │   ├── ConfigError             a field of a run file
    │   ├── UnknownPluginError      a generator, metric or rule that does not exist
    │   ├── MissingWeightsError     a model whose weights are not on this machine
    │   ├── SourceError             a corpus that cannot be read as described
    │   ├── RuleError               a pair rule that fails or gives what is not pairs
    │   └── RunMismatchError        a run directory that belongs to another run
    ├── FetchError                  weights that are unavailable or not those published (exit 1)
    │   └── PartlyFetchedError      of several, some cannot; the others are here
    ├── PublishError                the Hub refuses an upload or breaks off (exit 1)
    │   └── UnreachableError        nothing answers there; nothing was begun
    ├── StorageError                a run directory or cache that cannot be written or read
    │   ├── CorruptPartError        a part file that is missing or damaged
    │   ├── PartsError              a run directory whose parts do not belong together
    │   └── UnwrittenError          a file for which there is no room, or no right to write
    ├── RunIncompleteError          some shards are missing; the same command continues (exit 1)
    └── Unusable                    one clip, candidate or score: a row or null with a reason

An error carries its facts as attributes, so that a caller need not read its message:

    >>> error = ConfigError("no metric 'dnsmoss'.", field="panel.0.metric", value="dnsmoss",
    ...                     known=["dnsmos", "nisqa"])
    >>> str(error)
    "panel.0.metric: no metric 'dnsmoss'. Known: dnsmos, nisqa. Did you mean 'dnsmos'?"
    >>> error.field, error.value, error.problem
    ('panel.0.metric', 'dnsmoss', <Problem.UNKNOWN: 'unknown'>)

A message says what, which value, and what to do. The parameters that it names are marked
(`parameter`): a Python caller reads their names, and the command line shows its flags for them.
"""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from gensr_pref.schema import Reason


_BEGIN, _END = "\ue000", "\ue001"  # private use: no text that a person writes has them
_MARKED = re.compile(f"{_BEGIN}([a-z0-9_]+){_END}")


def parameter(name: str) -> str:
    """Mark the name of a parameter in a message.

    >>> str(InputError(f"{parameter('out')}: 'a.txt' is no table"))
    "out: 'a.txt' is no table"
    >>> InputError(f"{parameter('out')}: 'a.txt' is no table").shown({"out": "--out"})
    "--out: 'a.txt' is no table"
    """
    return f"{_BEGIN}{name}{_END}"


class Message(str):
    """A text for a person that names parameters; as a string, by their names in Python.

    Args:
        marked: the text, with the names as `parameter` marks them.
    """

    marked: str

    def __new__(cls, marked: str) -> Message:
        """Keep the marked text beside the plain one; a message stays as it is."""
        marked = getattr(marked, "marked", marked)
        made = super().__new__(cls, _MARKED.sub(r"\1", marked))
        made.marked = marked
        return made

    def shown(self, words: Mapping[str, str]) -> str:
        """Return the text with other words for the parameters, as far as there are any."""
        return _MARKED.sub(lambda found: words.get(found[1], found[1]), self.marked)


class Problem(StrEnum):
    """What is wrong, for a program that handles an error."""

    MISSING = "missing"  # a file, a column or a required field
    UNKNOWN = "unknown"  # a name that nothing has
    INVALID = "invalid"  # a value of another type or form, or out of range
    DUPLICATE = "duplicate"  # twice where once is meant
    CONFLICT = "conflict"  # two settings, or a setting and the data, that exclude each other
    UNSUPPORTED = "unsupported"  # well formed, and not possible with this model, file or system
    EMPTY = "empty"  # no recording, pair, candidate or score is left
    EXISTS = "exists"  # what would be written is there already
    BUSY = "busy"  # another process works on it
    CHANGED = "changed"  # not what it was when the work began
    DAMAGED = "damaged"  # its content is not what was written or published
    UNREADABLE = "unreadable"  # the system does not let it be read, or not as what it should be
    UNWRITABLE = "unwritable"  # no room, or no right to write
    UNSAFE = "unsafe"  # it would run code, leave a folder, or publish what is private
    OFFLINE = "offline"  # a server that does not answer, or connections that are forbidden
    REFUSED = "refused"  # a server that answers no
    FAILED = "failed"  # code of others raised, or a process ended


class GensrPrefError(Exception):
    """Base of every error this package raises on purpose.

    The message begins with the field, or with the path where there is no field, and ends with
    what is known, where that is given.

    Args:
        message: what is wrong and what to do, for a person.
        field: dotted field of the run file, or parameter of the function (`parameter`). What
            follows a colon in it, such as "clips.csv, line 3", is the place below that field.
        value: what was given there; else what is missing, or twice, or differs.
        known: the names that would have been right; what is wrong is then UNKNOWN.
        path: file, folder, URL or repository that the error is about.
        problem: what is wrong, for a program.
    """

    def __init__(
        self,
        message: str = "",
        *,
        field: str | None = None,
        value: Any = None,
        known: Iterable[str] | None = None,
        path: Path | str | None = None,
        problem: Problem | None = None,
    ) -> None:
        names = None if known is None else sorted(known)
        where = path if field is None else field
        begin = "" if where is None else f"{where}: "
        end = "" if names is None else f" {nearest(str(value), names)}"
        super().__init__(f"{begin}{getattr(message, 'marked', message)}{end}")
        plain, _, place = ("" if field is None else str(Message(field))).partition(": ")
        self.field = plain or None
        self.place = place or None
        self.value = value
        self.known = tuple(names or ())
        self.path = None if path is None else str(path)
        self.problem = Problem.UNKNOWN if problem is None and names is not None else problem

    def within(self, field: str) -> Self:
        """Return the same error, its field being one of the options of another."""
        made: Self = _copied(type(self), (f"{field}: {self.args[0]}",), self.__dict__)
        made.field = f"{field}.{self.field}" if self.field else field
        return made

    def __reduce__(self) -> Any:
        return _copied, (type(self), self.args, self.__dict__)

    def __str__(self) -> str:
        return Message(super().__str__())

    def shown(self, words: Mapping[str, str]) -> str:
        """Return the message with other words for the parameters that it names, such as flags."""
        return Message(super().__str__()).shown(words)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The parameters that the message names, in order."""
        return tuple(_MARKED.findall(super().__str__()))


def _copied(kind: type[GensrPrefError], args: tuple[str, ...], facts: dict[str, Any]) -> Any:
    """An error as another process raised it, whatever its constructor takes."""
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(facts)
    return error


class InputError(GensrPrefError):
    """The user's input is wrong; found before any long work."""


class ConfigError(InputError):
    """A field of a run file is unknown, missing or has a value that is not allowed.

    Attributes:
        errors: one for each wrong field, where a whole file was checked; the attributes are those
            of the first.
    """

    errors: tuple[ConfigError, ...] = ()

    @classmethod
    def joined(cls, path: Path | str | None, errors: Sequence[ConfigError]) -> ConfigError:
        """Return one error for all the wrong fields of a file, each on a line of its own."""
        begin = "" if path is None else f"{path}:\n  "
        made = cls(begin + "\n  ".join(str(error) for error in errors))
        made.__dict__.update(errors[0].__dict__, errors=tuple(errors))
        made.path = None if path is None else str(path)
        return made


class UnknownPluginError(InputError):
    """No generator, metric or rule of that name."""


class MissingWeightsError(InputError):
    """The weights of a model are not on this machine; the message says how to get them."""


class SourceError(InputError):
    """A corpus cannot be read as the run file describes it."""


class RunMismatchError(InputError):
    """The run directory was made from another run file, or another build is using it."""


class RuleError(InputError):
    """A pair rule raised, or gave what is not pairs."""


class FetchError(GensrPrefError):
    """A published file could not be downloaded; nothing was installed."""


class PublishError(GensrPrefError):
    """The Hub does not take what is pushed, or cannot be reached; the same command goes on."""


class UnreachableError(PublishError):
    """The Hub does not answer; nothing was begun."""


class StorageError(GensrPrefError):
    """A part file cannot be written (disk full, read-only) or read (corrupt, out of reach)."""


class UnwrittenError(StorageError):
    """A file cannot be written; nothing of it is left."""


class CorruptPartError(StorageError):
    """A part file is missing or is not what was written."""


class Fault(StrEnum):
    """What is wrong with a part of a run directory."""

    MISSING = "missing"
    CHANGED = "changed"
    FOREIGN = "foreign"
    STRANGE = "strange"
    OUTDATED = "outdated"
    UNRECORDED = "unrecorded"


@dataclass(frozen=True)
class PartFault:
    """A part of a run directory and what is wrong with it.

    Attributes:
        part: its path in the run directory.
        fault: what is wrong.
    """

    part: str
    fault: Fault


class PartsError(StorageError):
    """Parts of a run directory are missing, changed, doubled or of another run.

    Args:
        message: for a person.
        faults: every part that is at fault.
    """

    def __init__(
        self, message: str, faults: tuple[PartFault, ...] = (), path: Path | str | None = None
    ) -> None:
        super().__init__(message, path=path)
        self.faults = faults


class RunIncompleteError(GensrPrefError):
    """The build ended with shards missing; running the same command again continues."""


class Unusable(GensrPrefError):
    """One clip, candidate or score is unavailable; it is recorded as data and the rest continues.

    Args:
        reason: one of the closed list `gensr_pref.schema.Reason`.
        detail: free text for a person, such as the message of the exception behind it.
    """

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail


def typed(*words: object) -> str:
    """A command line as it can be pasted into a shell, whatever its words hold.

    >>> typed("gensr-pref", "audit", "my runs/first")
    "gensr-pref audit 'my runs/first'"
    """
    return shlex.join(map(str, words))


def quantity(count: float, noun: str) -> str:
    """A number of things in words, for every message that counts.

    >>> quantity(1, "process"), quantity(2, "process"), quantity(0, "entry"), quantity(0.5, "clip")
    ('1 process', '2 processes', '0 entries', '0.5 clips')
    """
    if count == 1:
        return f"1 {noun}"
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{count:.12g} {noun[:-1]}ies"
    return f"{count:.12g} {noun}{'es' if noun.endswith(('s', 'x', 'ch', 'sh')) else 's'}"


def nearest(name: str, known: Iterable[str]) -> str:
    """The tail of an error message: what is known, and the nearest to what was asked.

    >>> nearest("dnsmoss", ["pesq", "dnsmos"])
    "Known: dnsmos, pesq. Did you mean 'dnsmos'?"
    """
    known = sorted(known)
    listed = f"Known: {', '.join(known)}." if known else "None is known."
    close = difflib.get_close_matches(name, known, n=1)
    return f"{listed} Did you mean '{close[0]}'?" if close else listed
