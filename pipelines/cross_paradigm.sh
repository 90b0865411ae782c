#!/bin/sh
# Whose pairs? Each model aligned with pairs of its own candidates, and with as many pairs of the
# other two models' candidates, encoded from their audio where need be (arXiv 2508.17229).
#   pipelines/cross_paradigm.sh RUN.yaml OUT [key=value of the run file ...]
# RUN.yaml may be a run directory. TRAIN holds key=value for every training, EVALUATE options of
# every evaluation, CLIPS the clips of those, MODELS some of "ar mgm fm". What is done is not done
# again, so the same command continues.
set -euf
here=$(dirname "$0")
. "$here/arguments.sh"

train() { # NAME [key=value ...]; prints how many pairs
    name=$1
    shift
    told=$(gensr-pref train "$here/dpo_${model}_tiny.yaml" --json --out "$out/$name" \
        "cache='$out/cache-$model'" "pairs.source.path='$pairs'" ${TRAIN:-} "$@")
    echo "$told" | sed 's/.*"pairs": \([0-9]*\).*/\1/'
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
    echo "$model-tiny: $number pairs of its own, $cross of $others"
    plain=$(sampling "$model")
    gensr-pref evaluate "base=$model-tiny:$plain" \
        "own=$model-tiny:checkpoint='$out/$model-own',$plain" \
        "cross=$model-tiny:checkpoint='$out/$model-cross',$plain" \
        --clips "${CLIPS:-$pairs}" --out "$out/evaluation-$model" ${EVALUATE:-}
done
