"""Whisper checkpoints in the published format, far smaller than any published one."""

import warnings

import torch
import whisper.tokenizer
from whisper.model import ModelDimensions, Whisper

WIDTH = 32
ENGLISH, MULTILINGUAL = 51864, 51865  # entries of the two vocabularies


def get_tokenizer(multilingual, **options):
    """Return Whisper's tokenizer, which leaves its vocabulary file open."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        return whisper.tokenizer.get_tokenizer(multilingual, **options)


def network(vocabulary=ENGLISH, seed=0):
    """Return a network of one layer per side, with weights so large that transcripts differ."""
    torch.manual_seed(seed)
    made = Whisper(ModelDimensions(80, 1500, WIDTH, 2, 1, vocabulary, 448, WIDTH, 2, 1)).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, 0.5)
    return made


def constant_network(tokens, vocabulary=ENGLISH, start=0, loudness=10.0, no_speech=None):
    """Make a network whose output is `tokens` (at most 20) for any input.

    Its layers add nothing and the position p is the unit vector e_p, so the logits at p are the
    embeddings' p-th entries: `loudness` for the token that is due, 0 for the others.

    Args:
        tokens: its output, including the end of text.
        start: position of the first token.
        no_speech: the token whose probability is 1 at position 0.
    """
    made = network(vocabulary)
    decoder = made.decoder
    with torch.no_grad():
        for block in decoder.blocks:
            for layer in (block.attn.out, block.cross_attn.out, block.mlp[2]):
                layer.weight.zero_()
                layer.bias.zero_()
        decoder.positional_embedding.zero_()
        decoder.positional_embedding[:WIDTH] = 1e6 * torch.eye(WIDTH)
        decoder.token_embedding.weight.zero_()
        for position, token in enumerate(tokens, start):
            decoder.token_embedding.weight[token, position] = loudness
        if no_speech is not None:
            decoder.token_embedding.weight[no_speech, 0] = 100.0
    return made


def save(made, path):
    torch.save({"dims": vars(made.dims), "model_state_dict": made.state_dict()}, path)
    return str(path)
