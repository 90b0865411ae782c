"""A small real sample: speech prompts, noise, and the run file of the demo (CREDITS.md)."""

from pathlib import Path

FOLDER = Path(__file__).parent
DEMO = FOLDER / "demo.yaml"
