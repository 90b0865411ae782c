"""Files on a disk or in an object store: paths, atomic writes, JSON lines, locks."""
