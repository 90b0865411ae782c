#!/bin/sh
# What does training on pairs need? Train ar-tiny by DPO with the anchor, by DPO without it, by
# fine-tuning on the chosen candidates alone, and by DPO with the clean target as chosen.
#   pipelines/objectives.sh RUN.yaml OUT [key=value of the run file ...]
# RUN.yaml may be a run directory. Environment variables: TRAIN has key=value for every training,
# EVALUATE has options for the evaluation, and CLIPS names the clips to evaluate on. Finished steps are
# not repeated, so the same command continues.
set -euf
here=$(dirname "$0")
. "$here/arguments.sh"

# train NAME FOLDER [key=value ...]: train on the pairs of the run FOLDER.
train() {
    name=$1 folder=$2
    shift 2
    gensr-pref train "$here/dpo_ar_tiny.yaml" --out "$out/$name" "cache='$out/cache'" \
        "pairs.source.path='$folder'" ${TRAIN:-} "$@"
}

build pairs "generators=[{use: ar-tiny, candidates: 8, options: $wide}]" "$@"
pair_again pairs-golden rule=golden
train dpo "$pairs"
train no-anchor "$pairs" anchor.weight=0
train fine-tuned "$pairs" objective.name=sft anchor.weight=0
train golden "$out/pairs-golden"
plain=$(sampling ar)
set -- "base=ar-tiny:$plain"
for name in dpo no-anchor fine-tuned golden; do
    set -- "$@" "$name=ar-tiny:checkpoint='$out/$name',$plain"
done
gensr-pref evaluate "$@" --clips "${CLIPS:-$pairs}" --out "$out/evaluation" ${EVALUATE:-}
