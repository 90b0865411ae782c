"""What can go wrong, as one tree.

    GensrPrefError
    ├── InputError                  the user's input is wrong; nothing long has started (exit 2)
    │   ├── ConfigError             a field of a run file
    │   ├── UnknownPluginError      a generator, metric or rule that does not exist
    │   ├── MissingWeightsError     a model whose weights are not on this machine
    │   ├── SourceError             a corpus that cannot be read as described
    │   ├── RuleError               a pair rule that fails or gives what is not pairs
    │   └── RunMismatchError        a run directory that belongs to another run
    ├── FetchError                  weights that cannot be had, or are not those published (exit 1)
    │   └── PartlyFetchedError      of several, some cannot; the others are here
    ├── PublishError                the Hub refuses an upload or breaks off (exit 1)
    │   └── UnreachableError        nothing answers there; nothing was begun
    ├── StorageError                a run directory or cache that cannot be written or read
    │   ├── CorruptPartError        a part file that is missing or damaged
    │   ├── PartsError              a run directory whose parts do not belong together
    │   └── UnwrittenError          a file for which there is no room, or no right to write
    ├── RunIncompleteError          some shards are missing; the same command continues (exit 1)
    └── Unusable                    one clip, candidate or score: a row or null with a reason

A message says what, which value, and what to do. The parameters that it names are marked
(`parameter`): a Python caller reads their names, and the command line shows its flags for them.
"""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

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


class GensrPrefError(Exception):
    """Base of every error this package raises on purpose."""

    def __str__(self) -> str:
        return Message(super().__str__())

    def shown(self, words: Mapping[str, str]) -> str:
        """Return the message with other words for the parameters that it names, such as flags."""
        return Message(super().__str__()).shown(words)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The parameters that the message names, in order."""
        return tuple(_MARKED.findall(super().__str__()))


class InputError(GensrPrefError):
    """The user's input is wrong; found before any long work."""


class ConfigError(InputError):
    """A field of a run file is unknown, missing or has a value that is not allowed."""


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
    """A file could not be had from where it is published; nothing was installed."""


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

    def __init__(self, message: str, faults: tuple[PartFault, ...] = ()) -> None:
        super().__init__(message)
        self.faults = faults

    def __reduce__(self) -> tuple[type[PartsError], tuple[str, tuple[PartFault, ...]]]:
        return type(self), (str(self), self.faults)


class RunIncompleteError(GensrPrefError):
    """The build ended with shards missing; running the same command again continues."""


class Unusable(GensrPrefError):
    """One clip, candidate or score cannot be had; it is recorded as data and the rest goes on.

    Args:
        reason: one of the closed list `gensr_pref.schema.Reason`.
        detail: free text for a person, such as the message of the exception behind it.
    """

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type[Unusable], tuple[Reason, str]]:
        return type(self), (self.reason, self.detail)


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
