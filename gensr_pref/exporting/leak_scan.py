"""A scan for what must not be published: paths of this machine, names of user and host, tokens.

All text of an export is scanned: every string in every Parquet file, the files' metadata, and all
other text files. The report of a leak names its place and never repeats a token.
"""

from __future__ import annotations

import getpass
import re
import socket
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from gensr_pref.rundir import part_files
from gensr_pref.storage.location import home
from gensr_pref.untrusted import documents

LocatedText = tuple[str, str, bool, str]  # column, row or line, whether it was spoken, the text
SPOKEN = ("text", "transcript")  # columns of spoken words, one of which may be the user's name
_TEXT = (".md", ".json", ".jsonl", ".yaml", ".yml", ".csv", ".txt", ".svg")
# Names so common that they reveal nothing about a person or a machine.
_COMMON = """
root user admin ubuntu debian runner nobody guest home test build docker localhost localdomain
container linux work data main master node worker app vagrant
"""
_TOKENS = {  # may follow `_`, as in the name of a file
    what: rf"(?<![A-Za-z0-9])(?:{text})"
    for what, text in {
        "a Hugging Face token": r"(?:hf|api_org)_[A-Za-z0-9]{20,}",
        "a GitHub token": r"gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{30,}",
        "a GitLab token": r"glpat-[\w-]{20,}",
        "a PyPI token": r"pypi-[\w-]{20,}",
        "an npm token": r"npm_[A-Za-z0-9]{20,}",
        "an AWS key": r"(?:AKIA|ASIA)[0-9A-Z]{16}(?![A-Za-z0-9])",
        "a Google key": r"AIza[\w-]{35}",
        "a Slack token": r"xox[abprs]-[\w-]{10,}",
        "a Stripe key": r"[rs]k_(?:live|test)_[A-Za-z0-9]{10,}",
        "an API key": r"sk-[\w-]{20,}",
        "a JSON web token": r"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.",
        "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
        "a password in an address": r"[a-z][a-z0-9+.-]*://[^/\s:@\"']+:[^/\s@\"']+@",
    }.items()
}
_OWN = "a token of this machine"
_PATHS = {
    # An address (https://…), a fraction (a/b) or an option is no path; `host:/a/b` is one.
    "a path": r"(?:(?<=^)|(?<=[\s\"'`=(\[{,;|<>:@]))(?:/[\w.@+~-][^/\s\"'`<>|,;)\]}]*){2,}",
    "a path on Windows": r"(?<![A-Za-z])[A-Za-z]:\\+[\w.]|(?<!\\)\\\\[\w.-]+\\+[\w.$-]+",
    "a file address": r"\bfile:/",
    "a home folder": r"(?<![^\s\"'`=(/])(?:home|Users)/[\w.-]+/|~[\w.-]*/[\w.]",
}


@dataclass(frozen=True)
class Leak:
    """Something that must not be published.

    Attributes:
        column: file, and column of a table.
        at: first row or line that holds it.
        what: description; of a token, only its first letters.
    """

    column: str
    at: str
    what: str

    def __str__(self) -> str:
        return f"{self.column}{self.at}: {self.what}"


@dataclass(frozen=True)
class LocalNames:
    """Names that reveal this machine or its user.

    Attributes:
        user, host: names; empty if they are too common to reveal anything.
        folders: absolute paths, such as those of the home and of the run.
        secrets: tokens stored on this machine.
    """

    user: str
    host: str
    folders: tuple[str, ...]
    secrets: tuple[str, ...] = ()

    @classmethod
    def from_machine(cls, *folders: Path) -> LocalNames:
        """Return the names of this machine; home and working folder are added to `folders`."""
        paths = {str(path.resolve()) for path in (*folders, home(), Path.cwd())}
        host = socket.gethostname().partition(".")[0]
        long_enough = tuple(sorted(path for path in paths if len(path) > 1))
        return cls(_unless_common(_user()), _unless_common(host), long_enough, _own_tokens())

    @cached_property
    def patterns(self) -> list[tuple[str, re.Pattern[str], bool]]:
        """Triples: description, expression to search for, whether spoken text is searched too."""
        own = {_OWN: "|".join(map(re.escape, self.secrets))} if self.secrets else {}
        known = {**own, **_TOKENS, **_PATHS}
        patterns = [(what, re.compile(text), True) for what, text in known.items()]
        roots = [
            re.escape(path.strip("/")) + r"(?:/|\b)" for path in self.folders if "/" in path[1:]
        ]
        if roots:
            patterns.append(("a folder of this machine", re.compile("|".join(roots)), True))
        for what, name in (("the user's name", self.user), ("this machine's name", self.host)):
            if name:
                whole = re.compile(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", re.I)
                patterns.append((what, whole, False))
        return patterns


def scan_folder(folder: Path, local: LocalNames, allowed: Sequence[str] = ()) -> list[Leak]:
    """Return everything in a folder that must not be published, once per column.

    Args:
        folder: an export.
        local: names that reveal this machine.
        allowed: texts that are accepted.

    Raises:
        StorageError: a file cannot be read.
    """
    leaks: list[Leak] = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            texts = _parquet_texts(path) if path.suffix == ".parquet" else _file_texts(path)
            leaks += _leaks_in_file(name, texts, local, allowed)
    return leaks


def _leaks_in_file(
    name: str, texts: Iterable[LocatedText], local: LocalNames, allowed: Sequence[str]
) -> Iterator[Leak]:
    reported: set[tuple[str, str]] = set()
    for column, at, spoken, text in chain([("", "", False, name)], texts):
        for what in _leaks_in_text(text, spoken, local, allowed):
            if (column, what) not in reported:
                reported.add((column, what))
                yield Leak(f"{name}{column}", at, what)


def _leaks_in_text(
    text: str, spoken: bool, local: LocalNames, allowed: Sequence[str]
) -> Iterator[str]:
    for what, pattern, everywhere in local.patterns:
        if spoken and not everywhere:
            continue
        plain = unquote(text)
        folders = what == "a path"
        if match := _search(pattern, text, allowed, folders) or (
            plain != text and _search(pattern, plain, allowed, folders)
        ):
            yield f"{what}: {_quote(what, match.strip())}"
            if what == _OWN:
                return
    prefix = max((len(start) for start in allowed if text.startswith(start)), default=0)
    if _is_below_root(text) and (not prefix or _is_below_root(text[prefix:])):
        yield f"a path of this machine without its first slash: {text[:80]!r}"


def _search(
    pattern: re.Pattern[str], text: str, allowed: Sequence[str], folders: bool
) -> str | None:
    """Return the first match that must not be published, as it stands in the text.

    Args:
        folders: whether a match that begins inside an allowed text is judged by its rest: if
            `/data` is allowed, `/data/a.wav` is too, but not `/data/anna/a.wav`. Otherwise the
            whole match must be inside.
    """
    spans = [
        occurrence.span()
        for accepted in allowed
        if accepted
        for occurrence in re.finditer(re.escape(accepted), text)
    ]
    for match in pattern.finditer(text):
        start, end = match.start(), match.start() + len(match[0].rstrip("/"))
        known = max((stop for begin, stop in spans if begin <= start < stop), default=start)
        if known < end and not (folders and known > start and not pattern.search(text[known:end])):
            return match[0]
    return None


def _quote(what: str, text: str) -> str:
    hidden = what == _OWN or what in _TOKENS
    return f"{text[:4]}..." if hidden else repr(text[:80])


@lru_cache(maxsize=4096)
def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except OSError:
        return False


def _is_below_root(text: str) -> bool:
    """Return whether a text is a path of this machine that lacks its first slash."""
    if "/" not in text or len(text) > 1024 or any(c in text for c in '\n"{}<>:') or text[0] in "/.":
        return False
    folder = text.rpartition("/")[0]
    return "/" in folder and _exists("/" + text.partition("/")[0]) and _exists("/" + folder)


def _parquet_texts(path: Path) -> Iterator[LocatedText]:
    """Yield every string of a Parquet file, and of its metadata."""
    schema = pq.read_schema(path)
    for key, value in (schema.metadata or {}).items():
        for text in _strings(_parse(value.decode("utf-8", "replace"))):
            yield f", metadata {key.decode()}", "", False, text
    leaves = [leaf for field in schema for leaf in _string_leaves(field.name, field.type)]
    row = 0
    for batch in part_files.batches(path, leaves, rows=1024) if leaves else ():
        for name in batch.schema.names:
            for text, at in _distinct(batch.column(name)):
                for piece in _strings(_parse(text)):
                    yield f", column {name}", f", row {row + at}", name in SPOKEN, piece
        row += len(batch)


def _string_leaves(name: str, kind: pa.DataType) -> Iterator[str]:
    """Yield the columns of a Parquet file that contain text; audio is left out."""
    if pa.types.is_string(kind):
        yield name
    elif pa.types.is_struct(kind):
        for field in kind:
            yield from _string_leaves(f"{name}.{field.name}", field.type)
    elif pa.types.is_list(kind) and list(_string_leaves("", kind.value_type)):
        yield name


def _distinct(column: pa.Array) -> Iterator[tuple[str, int]]:
    """Yield each text of a column once, with its first row."""
    distinct: set[str] = set()
    for row, value in enumerate(column.to_pylist()):
        for text in _strings(value):
            if text not in distinct:
                distinct.add(text)
                yield text, row


def _file_texts(path: Path) -> Iterator[LocatedText]:
    if path.suffix not in _TEXT:
        return
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            at = f", line {number}"
            yield "", at, False, line.rstrip("\n")
            for piece in re.findall(r"[^\s\"'`|]+/[^\s\"'`|]+", line):
                yield "", at, False, piece.strip(",;")


def _parse(text: str) -> Any:
    """Return the data in a JSON text; any other text as it is."""
    if text[:1] in "[{":
        try:
            return documents.parse_json(text)
        except ValueError:
            pass
    return text


def _strings(value: Any) -> Iterator[str]:
    """Yield all texts in nested data, including keys."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inside in value.items():
            yield str(key)
            yield from _strings(inside)
    elif isinstance(value, Iterable) and not isinstance(value, bytes):
        for inside in value:
            yield from _strings(inside)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without an entry for the user
        return ""


def _unless_common(name: str) -> str:
    return "" if len(name) < 3 or name.lower() in _COMMON.split() else name


def _own_tokens() -> tuple[str, ...]:
    from huggingface_hub import get_token

    token = get_token()
    return (token,) if token else ()
