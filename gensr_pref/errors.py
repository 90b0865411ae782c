"""The exceptions of this package, as one tree.

    GensrPrefError
    ├── InputError                  the user's input is wrong; nothing long has started (exit 2)
    │   ├── ConfigError             a field of a run file
    │   ├── UnknownPluginError      a generator, metric or rule that does not exist
    │   ├── MissingWeightsError     a model whose weights are not on this machine
    │   ├── SourceError             a corpus that cannot be read as described
    │   ├── RuleError               a pair rule that fails or does not return pairs
    │   └── RunMismatchError        a run directory that belongs to another run
    ├── FetchError                  weights that are unavailable or not those published (exit 1)
    │   └── PartlyFetchedError      several weights, of which only some were fetched
    ├── PublishError                an upload that the Hub refuses or breaks off (exit 1)
    │   └── UnreachableError        a Hub that does not answer; nothing has started
    ├── StorageError                a run directory or cache that cannot be written or read
    │   ├── CorruptPartError        a part file that is missing or damaged
    │   ├── PartsError              a run directory whose parts do not belong together
    │   └── UnwrittenError          a file for which there is no room or no permission
    ├── RunIncompleteError          missing shards; the same command resumes the build (exit 1)
    └── Unusable                    one clip, candidate or score that is missing, with a reason

An error carries its facts as attributes, so that a caller need not read its message:

    >>> error = ConfigError("no metric 'dnsmoss'.", field="panel.0.metric", value="dnsmoss",
    ...                     known=["dnsmos", "nisqa"])
    >>> str(error)
    "panel.0.metric: no metric 'dnsmoss'. Known: dnsmos, nisqa. Did you mean 'dnsmos'?"
    >>> error.field, error.value, error.problem
    ('panel.0.metric', 'dnsmoss', <Problem.UNKNOWN: 'unknown'>)

A message says what is wrong, with which value, and what to do. The parameters that it names are
marked (`parameter`): a Python caller reads their names, and the command line shows its flags.
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

_BEGIN, _END = "\ue000", "\ue001"  # private-use characters, which nobody writes in a text
_MARKED = re.compile(f"{_BEGIN}([a-z0-9_]+){_END}")
_MARKED_FIELD = re.compile(rf"{_MARKED.pattern}((?:\.\w+)*)")  # with a place below a parameter


def parameter(name: str) -> str:
    """Return a parameter's name, marked so that `render` can replace it in a message.

    >>> str(InputError(f"{parameter('out')}: 'a.txt' is no table"))
    "out: 'a.txt' is no table"
    >>> InputError(f"{parameter('out')}: 'a.txt' is no table").render({"out": "--out"})
    "--out: 'a.txt' is no table"
    """
    return f"{_BEGIN}{name}{_END}"


class Message(str):
    """A text for a person that may name parameters; its string shows their names in Python.

    Args:
        marked: the text, with the names as `parameter` marks them.
    """

    marked: str

    def __new__(cls, marked: str) -> Message:
        """Store the marked text in addition to the plain one."""
        marked = getattr(marked, "marked", marked)
        message = super().__new__(cls, _MARKED.sub(r"\1", marked))
        message.marked = marked
        return message

    def render(self, words: Mapping[str, str]) -> str:
        """Return the text with other words for those parameters that `words` has.

        A word may also stand for a field below a parameter, such as the flag of one entry:

        >>> message = Message(f"{parameter('generator')}.options.steps: write a whole number")
        >>> message.render({"generator": "--generator", "generator.options": "--option"})
        '--option steps: write a whole number'
        """

        def replace(match: re.Match[str]) -> str:
            name, *below = f"{match[1]}{match[2]}".split(".")
            for end in range(len(below), 0, -1):
                word = words.get(".".join([name, *below[:end]]))
                if word is not None:
                    return " ".join([word, *filter(None, [".".join(below[end:])])])
            return words.get(name, name) + match[2]

        return _MARKED_FIELD.sub(replace, self.marked)


class Problem(StrEnum):
    """Kinds of problem, for a program that handles an error."""

    MISSING = "missing"  # a file, a column or a required field
    UNKNOWN = "unknown"  # a name that does not exist
    INVALID = "invalid"  # a value of the wrong type or form, or out of range
    DUPLICATE = "duplicate"  # something that must be unique appears twice
    CONFLICT = "conflict"  # two settings, or a setting and the data, that exclude each other
    UNSUPPORTED = "unsupported"  # valid, but not possible with this model, file or system
    EMPTY = "empty"  # no recording, pair, candidate or score is left
    EXISTS = "exists"  # the file or folder to be written exists already
    BUSY = "busy"  # another process works on it
    CHANGED = "changed"  # not the same as when the work began
    DAMAGED = "damaged"  # content that is not what was written or published
    UNREADABLE = "unreadable"  # it cannot be read, or not as the expected format
    UNWRITABLE = "unwritable"  # no room or no permission
    UNSAFE = "unsafe"  # it would run code, leave a folder, or publish something private
    OFFLINE = "offline"  # a server that does not answer, or connections that are not allowed
    REFUSED = "refused"  # a server that refuses the request
    FAILED = "failed"  # code outside this package raised, or a process ended


class GensrPrefError(Exception):
    """Base of every error that this package raises on purpose.

    The message begins with the field, or else with the path. It ends with the known names, if they
    are given.

    Args:
        message: what is wrong and what to do, for a person.
        field: dotted field of the run file, or parameter of the function (`parameter`). A colon
            may separate it from a place below the field, such as "clips.csv, line 3".
        value: the wrong value; or what is missing, duplicate or different.
        known: the valid names; `problem` is then UNKNOWN.
        path: file, folder, URL or repository that the error is about.
        problem: kind of problem, for a program.
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
        end = "" if names is None else f" {suggestion(str(value), names)}"
        super().__init__(f"{begin}{getattr(message, 'marked', message)}{end}")
        plain, _, place = ("" if field is None else str(Message(field))).partition(": ")
        self.field = plain or None
        self.place = place or None
        self.value = value
        self.known = tuple(names or ())
        self.path = None if path is None else str(path)
        self.problem = Problem.UNKNOWN if problem is None and names is not None else problem

    def within(self, field: str) -> Self:
        """Return the same error with its field below another field."""
        error: Self = _copy(type(self), (f"{field}: {self.args[0]}",), self.__dict__)
        error.field = f"{field}.{self.field}" if self.field else field
        return error

    def __reduce__(self) -> Any:
        return _copy, (type(self), self.args, self.__dict__)

    def __str__(self) -> str:
        return Message(super().__str__())

    def render(self, words: Mapping[str, str]) -> str:
        """Return the message with other words, such as flags, for the parameters that it names."""
        return Message(super().__str__()).render(words)

    @property
    def parameters(self) -> tuple[str, ...]:
        """Parameters that the message names, in order."""
        return tuple(_MARKED.findall(super().__str__()))


def _copy(kind: type[GensrPrefError], args: tuple[str, ...], facts: dict[str, Any]) -> Any:
    """Return a copy of an error of another process, whatever its constructor requires."""
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(facts)
    return error


class InputError(GensrPrefError):
    """The user's input is wrong; raised before any long work."""


class ConfigError(InputError):
    """A field of a run file is unknown, missing or has a value that is not allowed.

    Attributes:
        errors: one error per wrong field, if a whole file was checked; the other attributes are
            those of the first.
    """

    errors: tuple[ConfigError, ...] = ()

    @classmethod
    def join(cls, path: Path | str | None, errors: Sequence[ConfigError]) -> ConfigError:
        """Return one error for all wrong fields of a file, each on a line of its own."""
        begin = "" if path is None else f"{path}:\n  "
        error = cls(begin + "\n  ".join(map(str, errors)))
        error.__dict__.update(errors[0].__dict__, errors=tuple(errors))
        error.path = None if path is None else str(path)
        return error


class UnknownPluginError(InputError):
    """There is no generator, metric or rule of that name."""


class MissingWeightsError(InputError):
    """The weights of a model are not on this machine; the message says how to get them."""


class SourceError(InputError):
    """A corpus cannot be read as the run file describes it."""


class RunMismatchError(InputError):
    """The run directory was made from another run file, or another build is using it."""


class RuleError(InputError):
    """A pair rule raised, or returned something other than pairs."""


class FetchError(GensrPrefError):
    """A published file could not be downloaded; nothing was installed."""


class PublishError(GensrPrefError):
    """The Hub refuses a push or cannot be reached; the same command resumes it."""


class UnreachableError(PublishError):
    """The Hub does not answer; nothing has started."""


class StorageError(GensrPrefError):
    """A file cannot be written (disk full, read-only) or read (corrupt, unreachable)."""


class UnwrittenError(StorageError):
    """A file cannot be written; nothing is left behind."""


class CorruptPartError(StorageError):
    """A part file is missing or does not hold what was written."""


class Fault(StrEnum):
    """Faults of a part of a run directory."""

    MISSING = "missing"
    CHANGED = "changed"
    FOREIGN = "foreign"
    STRANGE = "strange"
    OUTDATED = "outdated"
    UNRECORDED = "unrecorded"


@dataclass(frozen=True)
class PartFault:
    """A part of a run directory and its fault.

    Attributes:
        part: path in the run directory.
        fault: the fault.
    """

    part: str
    fault: Fault


class PartsError(StorageError):
    """Parts of a run directory are missing, changed, doubled or of another run.

    Args:
        message: what is wrong and what to do, for a person.
        faults: every part with a fault.
        path: the run directory.
    """

    def __init__(
        self, message: str, faults: tuple[PartFault, ...] = (), path: Path | str | None = None
    ) -> None:
        super().__init__(message, path=path)
        self.faults = faults


class RunIncompleteError(GensrPrefError):
    """The build ended with missing shards; the same command resumes it."""


class Unusable(GensrPrefError):
    """One clip, candidate or score is unavailable; it is recorded as data and the rest continues.

    Args:
        reason: one of the closed list `gensr_pref.schema.Reason`.
        detail: free text for a person, such as the message of the exception that caused it.
    """

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail


def command_line(*words: object) -> str:
    """Return a command line that can be pasted into a shell, with its words quoted as needed.

    >>> command_line("gensr-pref", "audit", "my runs/first")
    "gensr-pref audit 'my runs/first'"
    """
    return shlex.join(map(str, words))


def quantity(count: float, noun: str) -> str:
    """Return a number with its noun in singular or plural.

    >>> quantity(1, "process"), quantity(2, "process"), quantity(0, "entry"), quantity(0.5, "clip")
    ('1 process', '2 processes', '0 entries', '0.5 clips')
    """
    if count == 1:
        return f"1 {noun}"
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{count:.12g} {noun[:-1]}ies"
    return f"{count:.12g} {noun}{'es' if noun.endswith(('s', 'x', 'ch', 'sh')) else 's'}"


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return the end of an error message: the known names and the one most similar to `name`.

    >>> suggestion("dnsmoss", ["pesq", "dnsmos"])
    "Known: dnsmos, pesq. Did you mean 'dnsmos'?"
    """
    known = sorted(known)
    names = f"Known: {', '.join(known)}." if known else "None is known."
    close = difflib.get_close_matches(name, known, n=1)
    return f"{names} Did you mean '{close[0]}'?" if close else names
