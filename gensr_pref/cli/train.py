"""The command ``train``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gensr_pref.cli.arguments import add_overrides
from gensr_pref.cli.output import show

HELP = "train a generator, or continue an interrupted training"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the recipe, the folder of the checkpoint and overrides."""
    parser.add_argument(
        "recipe",
        type=Path,
        metavar="TRAIN.yaml",
        help="recipe file, whose field `recipe` is pretrain, tokenize, dpo or average",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder to write the checkpoint to"
    )
    add_overrides(parser, "field of the recipe to override, such as steps=100")


def run(options: argparse.Namespace) -> None:
    """Carry out the recipe and print how to use the result."""
    from gensr_pref.aligning.pretrain.recipe import load_recipe
    from gensr_pref.config import plugins

    recipe = load_recipe(options.recipe, options.overrides)
    base = options.recipe.resolve().parent
    plugins.search(base)  # for a generator that the recipe names
    result, use = _run_recipe(recipe, base, options.out)
    show(json.dumps(result) if options.json else f"{options.out}: finished. {use}")


def _run_recipe(recipe: Any, base: Path, out: Path) -> tuple[Mapping[str, object], str]:
    """Carry out a recipe; return its result as JSON data and a sentence about its use."""
    from gensr_pref.aligning.pretrain.recipe import Pretrain
    from gensr_pref.aligning.recipe import Average, Dpo

    if isinstance(recipe, Pretrain):
        from gensr_pref.aligning.pretrain.train import pretrain

        pretrain(recipe, base, out)
        result = {"checkpoint": str(out), "steps": recipe.steps}
        return result, _in_run_file(f"{recipe.model.paradigm}-tiny", out)
    if isinstance(recipe, Dpo):
        from gensr_pref.aligning.align import align

        result = {"checkpoint": str(out), **align(recipe, out, base=base)}
        return result, _in_run_file(recipe.generator.use, out)
    if isinstance(recipe, Average):
        from gensr_pref.aligning.average import average_checkpoints

        average_checkpoints(recipe, base, out)
        result = {"checkpoint": str(out), "averaged": recipe.checkpoints}
        return result, f"The checkpoint is for the generator {recipe.generator.use}"
    from gensr_pref.aligning.pretrain.tokenizer import tokenize

    result = {"tokenizer": str(out), "digest": tokenize(recipe, base, out).digest}
    return result, f"In a recipe: model: {{paradigm: ar, tokenizer: {out}}}"


def _in_run_file(generator: str, out: Path) -> str:
    return f"In a run file: generators: [{{use: {generator}, options: {{checkpoint: {out}}}}}]"
