"""Names of files that look the same: told apart by bytes on most disks, by no person.

macOS writes ``é`` as two characters (NFD), most others as one (NFC): a table made on one machine
names no file of the other. Names are compared in Unicode's form NFC (UAX #15).
"""

from __future__ import annotations

import unicodedata
from pathlib import Path


class AmbiguousNameError(ValueError):
    """Two files have names that look the same, and neither is written as the one looked for."""


def composed(name: str) -> str:
    """Return a name in Unicode's form NFC, without white space around it, as names are compared."""
    return unicodedata.normalize("NFC", name).strip()


class Names:
    """The files below a folder by names that look the same; a folder is listed once, if ever.

    Args:
        folder: that all names are below.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._listed: dict[Path, dict[str, list[str]]] = {}

    def find(self, place: str) -> str:
        """Return the relative path of the file that a relative path means.

        It is the path as written where a file is there, else the only one that looks the same; the
        path as written where there is none.

        Raises:
            AmbiguousNameError: several look the same.
        """
        if (self._folder / place).exists():
            return place
        found = Path()
        for part in Path(place).parts:
            if not (self._folder / found / part).exists():
                alike = self._alike(found, composed(part))
                if not alike:
                    return place
                if len(alike) > 1:
                    raise AmbiguousNameError(
                        f"{' and '.join(map(ascii, alike))} look the same; rename one of them"
                    )
                part = alike[0]
            found /= part
        return found.as_posix()

    def _alike(self, inside: Path, name: str) -> list[str]:
        folder = self._folder / inside
        if folder not in self._listed:
            names: dict[str, list[str]] = {}
            for one in sorted(path.name for path in folder.glob("*")) if folder.is_dir() else ():
                names.setdefault(composed(one), []).append(one)
            self._listed[folder] = names
        return self._listed[folder].get(name, [])
