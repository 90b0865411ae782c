"""Fitting of a tokenizer: clean speech and degradations in, codebooks out.

gensr-pref train pipelines/tokenize_gains.yaml --out DIR
"""

from __future__ import annotations

from pathlib import Path

import torch
from tqdm import tqdm

from gensr_pref.align.examples import Examples
from gensr_pref.align.recipe import Tokenize
from gensr_pref.generators.checkpoint import save
from gensr_pref.generators.tokenizer import Tokenizer, fitted
from gensr_pref.identity import seed_for


def tokenize(recipe: Tokenize, base: Path, out: Path) -> Tokenizer:
    """Make the examples, cluster their gains, and write the codebooks.

    Args:
        base: folder that the recipe's paths are relative to.
        out: receives `model.safetensors`, `config.json` and `rooms/`.
    """
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(recipe.threads)
    examples = Examples.opened(recipe, base, out)
    numbers = tqdm(range(recipe.examples), desc="examples")
    latents = torch.stack([examples.of(number).y_1 for number in numbers])
    seed = seed_for(recipe.seed, "tokenizer")
    tokenizer = fitted(latents, recipe.groups, recipe.codes, seed, recipe.sample_rate)
    save(tokenizer, out)
    return tokenizer
