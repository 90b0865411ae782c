#!/bin/sh
# GSEPF (arXiv 2507.09929): the best candidate against the worst by one perceptual score, DPO with
# cross-entropy of the chosen, of ar-tiny; and the same with random labels.
#   pipelines/gsepf.sh RUN.yaml OUT [key=value of the run file ...]
# The score is SCORE, else utmos where its weights are here, else dnsmos_ovrl. TRAIN holds key=value
# for every training, EVALUATE options of the evaluation, CLIPS its clips. The same command continues.
set -euf
here=$(dirname "$0")
. "$here/arguments.sh"

if [ -z "${SCORE:-}" ]; then
    SCORE=utmos
    if gensr-pref fetch | grep -q '^utmos *no '; then
        SCORE=dnsmos_ovrl
    fi
fi

train() { # NAME [key=value ...]
    name=$1
    shift
    gensr-pref train "$here/dpo_ar_tiny.yaml" --out "$out/$name" "cache='$out/cache'" \
        "pairs.source.path='$out/pairs'" ${TRAIN:-} "$@"
}

plain=$(sampling ar)
gensr-pref build "$run" --out "$out/pairs" \
    "generators=[{use: ar-tiny, candidates: 8, options: $wide}]" \
    "pairing={rule: top_bottom, score: $SCORE, extremes: 1}" "$@"
gensr-pref audit "$out/pairs"
train gsepf
train random pairs.labels=random
gensr-pref evaluate "base=ar-tiny:$plain" "gsepf=ar-tiny:checkpoint='$out/gsepf',$plain" \
    "random=ar-tiny:checkpoint='$out/random',$plain" \
    --clips "${CLIPS:-$out/pairs}" --out "$out/evaluation" ${EVALUATE:-}
