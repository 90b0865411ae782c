#!/bin/sh
# Whose pairs help? Align each model with pairs of its own candidates, and with as many pairs of the
# other two models' candidates, encoded from their audio if necessary (arXiv 2508.17229).
#   pipelines/cross_paradigm.sh RUN.yaml OUT [key=value of the run file ...]
# RUN.yaml may be a run directory. Environment variables: TRAIN has key=value for every training,
# EVALUATE has options for every evaluation, CLIPS names the clips to evaluate on, and MODELS selects
# from "ar mgm fm". Finished steps are not repeated, so the same command continues.
set -euf
here=$(dirname "$0")
. "$here/arguments.sh"

# train NAME [key=value ...]: train, and print the number of pairs.
train() {
    name=$1
    shift
    report=$(gensr-pref train "$here/dpo_${model}_tiny.yaml" --json --out "$out/$name" \
        "cache='$out/cache-$model'" "pairs.source.path='$pairs'" ${TRAIN:-} "$@")
    echo "$report" | sed 's/.*"pairs": \([0-9]*\).*/\1/'
}

build pairs "$@"
for model in ${MODELS:-ar mgm fm}; do
    case $model in
    ar) others=mgm-tiny,fm-tiny ;;
    mgm) others=ar-tiny,fm-tiny ;;
    fm) others=ar-tiny,mgm-tiny ;;
    esac
    number=$(train "$model-own")
    cross=$(train "$model-cross" "pairs.generators=[$others]" pairs.encode=missing "pairs.limit=$number")
    echo "$model-tiny: $number pairs of its own candidates, $cross of $others"
    plain=$(sampling "$model")
    gensr-pref evaluate "base=$model-tiny:$plain" \
        "own=$model-tiny:checkpoint='$out/$model-own',$plain" \
        "cross=$model-tiny:checkpoint='$out/$model-cross',$plain" \
        --clips "${CLIPS:-$pairs}" --out "$out/evaluation-$model" ${EVALUATE:-}
done
