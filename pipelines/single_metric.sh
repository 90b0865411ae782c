#!/bin/sh
# Does one score suffice? (the ablation of arXiv 2508.17229). Align ar-tiny with the pairs of the panel,
# and with as many pairs of each single score from the same candidates, and evaluate all of them.
#   pipelines/single_metric.sh RUN.yaml OUT SCORE [SCORE ...] [key=value of the run file ...]
# RUN.yaml may be a run directory. Environment variables: TRAIN has key=value for every training,
# EVALUATE has options for the evaluation, and CLIPS names the clips to evaluate on. Finished steps are
# not repeated, so the same command continues.
set -euf
least=3
here=$(dirname "$0")
. "$here/arguments.sh"
scores=
while [ $# -gt 0 ]; do
    case $1 in *=*) break ;; esac
    scores="$scores $1"
    shift
done
[ -n "$scores" ] || refuse "name a score of the panel, such as dnsmos_ovrl"

# train NAME FOLDER [key=value ...]: train on the pairs of FOLDER, and print the number of pairs.
train() {
    name=$1 folder=$2
    shift 2
    report=$(gensr-pref train "$here/dpo_ar_tiny.yaml" --json --out "$out/$name" \
        "cache='$out/cache'" "pairs.source.path='$folder'" ${TRAIN:-} "$@")
    echo "$report" | sed 's/.*"pairs": \([0-9]*\).*/\1/'
}

build pairs-panel "generators=[{use: ar-tiny, candidates: 8, options: $wide}]" "$@"
for score in $scores; do
    pair_again "pairs-$score" "votes=[$score]"
done
plain=$(sampling ar)
number=$(train panel "$pairs")
echo "panel: $number pairs"
set -- "base=ar-tiny:$plain" "panel=ar-tiny:checkpoint='$out/panel',$plain"
for score in $scores; do
    count=$(train "$score" "$out/pairs-$score" "pairs.limit=$number")
    echo "$score: $count pairs"
    set -- "$@" "$score=ar-tiny:checkpoint='$out/$score',$plain"
done
gensr-pref evaluate "$@" --clips "${CLIPS:-$pairs}" --out "$out/evaluation" ${EVALUATE:-}
