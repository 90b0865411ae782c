#!/bin/sh
# SpeechAlign (arXiv 2404.05600): rounds of ar-tiny in which the clean target is chosen over samples of
# the last policy; for comparison, as many rounds with unanimous pairs (arXiv 2508.17229).
#   pipelines/speechalign.sh RUN.yaml OUT [key=value of the run file ...]
# Environment variables: ROUNDS is the number of rounds (default 3), TRAIN has key=value for every
# training, EVALUATE has options for the evaluation of all rounds, and CLIPS names the clips to evaluate
# on. Finished steps are not repeated, so the same command continues.
set -euf
here=$(dirname "$0")
. "$here/arguments.sh"

plain=$(sampling ar)
# rounds NAME PAIRING [key=value ...]: run all rounds with one pairing section.
rounds() {
    name=$1 pairing=$2
    shift 2
    "$here/rounds.sh" "$run" "$here/dpo_ar_tiny.yaml" "$out/$name" "${ROUNDS:-3}" \
        "generators=[{use: ar-tiny, candidates: 8, options: $wide}]" "pairing=$pairing" "$@"
}

rounds golden '{rule: golden, pairs_per_clip: 4}' "$@"
rounds unanimous '{rule: unanimous, pairs_per_clip: 4}' "$@"
set -- "base=ar-tiny:$plain"
round=1
while [ "$round" -le "${ROUNDS:-3}" ]; do
    for name in golden unanimous; do
        set -- "$@" "$name-$round=ar-tiny:checkpoint='$out/$name/policy-$round',$plain"
    done
    round=$((round + 1))
done
gensr-pref evaluate "$@" --clips "${CLIPS:-$out/unanimous/pairs-1}" --out "$out/evaluation" ${EVALUATE:-}
