"""A small real sample: speech prompts, noise, and the demo's run file (credits: CREDITS.md)."""

from pathlib import Path

FOLDER = Path(__file__).parent
DEMO = FOLDER / "demo.yaml"
