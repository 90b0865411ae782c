#!/bin/sh
# Multi-metric preference alignment (arXiv 2508.17229): make and audit unanimous pairs, align each model
# with the pairs of its own candidates, do the same with random labels, and evaluate.
#   pipelines/unanimous.sh RUN.yaml OUT [key=value of the run file ...]
# RUN.yaml may be a run directory. Environment variables: TRAIN has key=value for every training,
# EVALUATE has options for every evaluation, CLIPS names the clips to evaluate on, SEEDS lists training
# seeds such as "1 2 3", and MODELS selects from "ar mgm fm". Finished steps are not repeated, so the
# same command continues.
set -euf
here=$(dirname "$0")
. "$here/arguments.sh"

# train NAME [key=value ...]: train one model on $pairs.
train() {
    name=$1
    shift
    gensr-pref train "$here/dpo_${model}_tiny.yaml" --out "$out/$name" "seed=$seed" \
        "pairs.source.path='$pairs'" "cache='$out/cache-$model'" ${TRAIN:-} "$@"
}

build pairs "$@"
[ -d "$run" ] || gensr-pref audit "$pairs"
for model in ${MODELS:-ar mgm fm}; do
    plain=$(sampling "$model")
    set -- "base=$model-tiny:$plain"
    for seed in ${SEEDS:-1}; do
        train "$model-$seed"
        train "$model-random-$seed" pairs.labels=random
        set -- "$@" "dpo@$seed=$model-tiny:checkpoint='$out/$model-$seed',$plain" \
            "random@$seed=$model-tiny:checkpoint='$out/$model-random-$seed',$plain"
    done
    gensr-pref evaluate "$@" "tuned=$model-tiny" --clips "${CLIPS:-$pairs}" \
        --out "$out/evaluation-$model" ${EVALUATE:-}
done
