#!/bin/sh
# Whose pairs? Each model aligned with pairs of its own candidates, and with as many pairs of the
# other two models' candidates, encoded from their audio where need be (arXiv 2508.17229).
#   pipelines/cross_paradigm.sh RUN.yaml OUT [key=value of the run file ...]
# TRAIN holds key=value for every training, EVALUATE options of every evaluation, MODELS some of
# "ar mgm fm". What is done is not done again, so the same command continues.
set -euf
here=$(dirname "$0")
. "$here/arguments.sh"

train() { # NAME [key=value ...]; prints how many pairs
    name=$1
    shift
    told=$(gensr-pref train "$here/dpo_${model}_tiny.yaml" --json --out "$out/$name" \
        "cache='$out/cache-$model'" "pairs.source.path='$out/pairs'" ${TRAIN:-} "$@")
    echo "$told" | sed 's/.*"pairs": \([0-9]*\).*/\1/'
}

gensr-pref build "$run" --out "$out/pairs" "$@"
for model in ${MODELS:-ar mgm fm}; do
    case $model in
    ar) others=mgm-tiny,fm-tiny ;;
    mgm) others=ar-tiny,fm-tiny ;;
    fm) others=ar-tiny,mgm-tiny ;;
    esac
    pairs=$(train "$model-own")
    cross=$(train "$model-cross" "pairs.generators=[$others]" pairs.encode=missing "pairs.limit=$pairs")
    echo "$model-tiny: $pairs pairs of its own, $cross of $others"
    gensr-pref evaluate "base=$model-tiny" "own=$model-tiny:checkpoint='$out/$model-own'" \
        "cross=$model-tiny:checkpoint='$out/$model-cross'" \
        --clips "$out/pairs" --out "$out/evaluation-$model" ${EVALUATE:-}
done
