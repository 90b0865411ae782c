"""Runs statements in a new process, in which no package is imported yet."""

import subprocess
import sys


def imports_torch(statements):
    """Return whether running the statements in a new process imports torch."""
    program = f"import sys\n{statements}\nprint('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return {"True\n": True, "False\n": False}[done.stdout]
