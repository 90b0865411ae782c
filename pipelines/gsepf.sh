#!/bin/sh
# GSEPF (arXiv 2507.09929): pair the best candidate with the worst by one perceptual score, and train
# ar-tiny by DPO plus cross-entropy of the chosen candidate; then the same with random labels.
#   pipelines/gsepf.sh RUN.yaml OUT [key=value of the run file ...]
# Environment variables: SCORE names the score (default: utmos if its weights are installed, else
# dnsmos_ovrl), TRAIN has key=value for every training, EVALUATE has options for the evaluation, and
# CLIPS names the clips to evaluate on. Finished steps are not repeated, so the same command continues.
set -euf
here=$(dirname "$0")
. "$here/arguments.sh"

if [ -z "${SCORE:-}" ]; then
    SCORE=utmos
    if gensr-pref fetch | grep -q '^utmos *no '; then
        SCORE=dnsmos_ovrl
    fi
fi

# train NAME [key=value ...]: train ar-tiny on the pairs.
train() {
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
