"""Measure the shape of the code: rooms, imports, names, types and tests.

    python -m tests.figures                       this checkout
    python -m tests.figures --root ../older       another one, such as an older commit
    python -m tests.figures --list duplicate_names        what one figure counts

The source is read with `ast` and never imported, so that one program measures any checkout. A room
is a package directly under `gensr_pref`; a box is a room, a module beside the rooms, or
`gensr_pref` itself. Functions are all that `def` defines, methods and inner functions included.
"""
