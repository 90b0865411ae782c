"""Tests of names and seeds: they depend on content, not on position."""

import pytest

from gensr_pref.identity import (
    candidate_id,
    clean_id,
    clip_id,
    digest,
    is_clean,
    is_noisy,
    noisy_id,
    rng_for,
    seed_for,
    split_candidate_id,
    unit_for,
)


def test_digest_ignores_key_order_only():
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest("a", "b") != digest("ab")
    assert digest(1) != digest("1")


def test_seeds_are_stable_across_versions():
    assert seed_for(0, "clip", "fm-tiny", 0) == seed_for(0, "clip", "fm-tiny", 0)
    assert seed_for(0, "clip", "fm-tiny", 0) == 5124804828579391024


def test_every_part_of_the_identity_matters():
    seeds = {seed_for(r, c, g, i) for r in (0, 1) for c in "ab" for g in "xy" for i in (0, 1)}
    assert len(seeds) == 16
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_clean_and_noisy_ids_have_the_form_of_candidate_ids_and_differ():
    assert clean_id("a-1") == "a-1/clean/0"
    assert is_clean(clean_id("a-1"))
    assert not is_noisy(clean_id("a-1"))
    assert not is_clean(noisy_id("a-1"))
    assert not is_clean(candidate_id("a-1", "clean-up", 0))


@pytest.mark.parametrize("clip", ["a-1", "a/b/c", "noisy", ""])
@pytest.mark.parametrize("generator", ["fm-tiny", "x@1.2+y"])
def test_split_candidate_id_inverts_candidate_id(clip, generator):
    assert split_candidate_id(candidate_id(clip, generator, 12)) == (clip, generator, 12)


@pytest.mark.parametrize("name", ["", "a", "a/0", "a/b/c", "a/b/", "a/b/-1"])
def test_other_ids_are_refused(name):
    with pytest.raises(ValueError, match="candidate id"):
        split_candidate_id(name)


def test_units_are_uniform():
    values = [unit_for(0, "split", str(k)) for k in range(1000)]
    assert 0.45 < sum(values) / 1000 < 0.55
    assert rng_for(0, "a").random() == rng_for(0, "a").random()


def test_clip_id_is_readable_and_safe():
    name = clip_id(0, "a folder/sprüche & co.flac", 0, 100, None)
    assert name.startswith("sprüche_co-")
    assert "/" not in name
    assert clip_id(0, "x/???.wav", 0, 1, None).startswith("clip-")


def test_clip_id_depends_on_seed_source_start_and_treatment():
    names = {
        clip_id(seed, source, start, 100, treatment)
        for seed in (0, 1)
        for source in ("a/x.wav", "b/x.wav")
        for start in (0, 50)
        for treatment in (None, {"noise": 1})
    }
    assert len(names) == 16


def test_candidate_id_joins_its_parts_with_slashes():
    assert candidate_id("clip", "fm-tiny", 3) == "clip/fm-tiny/3"
