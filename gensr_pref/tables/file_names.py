"""Lookup of file names that look the same but differ in their bytes.

macOS writes ``é`` as two characters (NFD), most other systems as one (NFC), so that a table from
one machine may not match the files of another. Names are compared in Unicode form NFC (UAX #15).
"""

from __future__ import annotations

import unicodedata
from pathlib import Path


class AmbiguousNameError(ValueError):
    """Two files have names that look the same, and neither has exactly the name in question."""


def normalize_name(name: str) -> str:
    """Return a name in Unicode form NFC without surrounding white space, for comparison."""
    return unicodedata.normalize("NFC", name).strip()


class FileNames:
    """The files below a folder, found by names that look the same; lists each folder at most once.

    Args:
        folder: the folder that relative paths start from.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._listed: dict[Path, dict[str, list[str]]] = {}

    def find(self, path: str) -> str:
        """Return the relative path of the file that a relative path refers to.

        This is the path as written if that file exists, else the only path that looks the same. If
        no path looks the same, it is the path as written.

        Raises:
            AmbiguousNameError: several paths look the same.
        """
        if (self._folder / path).exists():
            return path
        existing = Path()
        for part in Path(path).parts:
            if not (self._folder / existing / part).exists():
                alike = self._alike(existing, normalize_name(part))
                if not alike:
                    return path
                if len(alike) > 1:
                    raise AmbiguousNameError(
                        f"{' and '.join(map(ascii, alike))} look the same; rename one of them"
                    )
                part = alike[0]
            existing /= part
        return existing.as_posix()

    def _alike(self, inside: Path, name: str) -> list[str]:
        folder = self._folder / inside
        if folder not in self._listed:
            names: dict[str, list[str]] = {}
            for entry in sorted(path.name for path in folder.glob("*")) if folder.is_dir() else ():
                names.setdefault(normalize_name(entry), []).append(entry)
            self._listed[folder] = names
        return self._listed[folder].get(name, [])
