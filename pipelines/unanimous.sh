#!/bin/sh
# Multi-metric preference alignment (arXiv 2508.17229): unanimous pairs and their audit, each model
# aligned with the pairs of its own candidates, the same with random labels, and what that did.
#   pipelines/unanimous.sh RUN.yaml OUT [key=value of the run file ...]
# TRAIN holds key=value for every training, EVALUATE options of every evaluation, MODELS some of
# "ar mgm fm". What is done is not done again, so the same command continues.
set -euf
here=$(dirname "$0")
. "$here/arguments.sh"

train() { # NAME [key=value ...]
    name=$1
    shift
    gensr-pref train "$here/dpo_${model}_tiny.yaml" --out "$out/$name" \
        "pairs.source.path='$out/pairs'" "cache='$out/cache-$model'" ${TRAIN:-} "$@"
}

gensr-pref build "$run" --out "$out/pairs" "$@"
gensr-pref audit "$out/pairs"
for model in ${MODELS:-ar mgm fm}; do
    train "$model"
    train "$model-random" pairs.labels=random
    gensr-pref evaluate "base=$model-tiny" "dpo=$model-tiny:checkpoint='$out/$model'" \
        "random=$model-tiny:checkpoint='$out/$model-random'" \
        --clips "$out/pairs" --out "$out/evaluation-$model" ${EVALUATE:-}
done
