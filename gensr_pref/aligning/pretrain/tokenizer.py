"""Fitting of a tokenizer: clean speech and degradations in, codebooks out.

gensr-pref train pipelines/tokenize_gains.yaml --out DIR
"""

from __future__ import annotations

from pathlib import Path

import torch
from tqdm import tqdm

from gensr_pref.aligning.pretrain.examples import Examples, Sources
from gensr_pref.aligning.pretrain.recipe import Tokenize
from gensr_pref.aligning.training_folder import Claim, lock_folder, require_same_claim, write_claim
from gensr_pref.generators.tiny.checkpoint import save_network
from gensr_pref.generators.tiny.tokenizer import Tokenizer, fit_tokenizer
from gensr_pref.identity import seed_for


def tokenize(recipe: Tokenize, base: Path, out: Path) -> Tokenizer:
    """Make examples, cluster their gains, write the codebooks, and return the tokenizer.

    Args:
        base: folder that the recipe's paths are relative to.
        out: folder for `model.safetensors`, `config.json` and `rooms/`.

    Raises:
        InputError: a source cannot be used, or the folder belongs to another training.
        StorageError: the folder cannot be written.
    """
    torch.set_num_threads(recipe.threads)
    with lock_folder(out):
        sources = Sources.open(recipe, base)
        claim = Claim.from_recipe(recipe, {"threads"}, sources.made_from(out))
        require_same_claim(out, claim)
        write_claim(out, claim, base)
        tokenizer = _fit(recipe, Examples.from_sources(sources, out))
        save_network(tokenizer, out)
    return tokenizer


def _fit(recipe: Tokenize, examples: Examples) -> Tokenizer:
    numbers = tqdm(range(recipe.examples), desc="examples")
    latents = torch.stack([examples.make(number).y_1 for number in numbers])
    seed = seed_for(recipe.seed, "tokenizer")
    return fit_tokenizer(latents, recipe.groups, recipe.codes, seed, recipe.sample_rate)
