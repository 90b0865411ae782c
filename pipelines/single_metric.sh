#!/bin/sh
# Does one score suffice? (the ablation of arXiv 2508.17229): a model aligned with the pairs of the
# panel, and with as many pairs of each single score, from the same candidates; one evaluation.
#   pipelines/single_metric.sh RUN.yaml OUT SCORE [SCORE ...] [key=value of the run file ...]
# TRAIN holds key=value for every training, EVALUATE options of the evaluation. The model is
# ar-tiny. What is done is not done again, so the same command continues.
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

train() { # NAME [key=value ...]; prints how many pairs
    name=$1
    shift
    told=$(gensr-pref train "$here/dpo_ar_tiny.yaml" --json --out "$out/$name" \
        "cache='$out/cache'" "pairs.source.path='$out/pairs-$name'" ${TRAIN:-} "$@")
    echo "$told" | sed 's/.*"pairs": \([0-9]*\).*/\1/'
}

wide='{spread: [0.0, 0.8], clip_temperature: [0.5, 1.5]}'
gensr-pref build "$run" --out "$out/pairs-panel" \
    "generators=[{use: ar-tiny, candidates: 8, options: $wide}]" "$@"
pairs=$(train panel)
echo "panel: $pairs pairs"
set -- base=ar-tiny "panel=ar-tiny:checkpoint='$out/panel'"
for score in $scores; do
    copy="$out/pairs-$score"
    [ -d "$copy" ] || { cp -r "$out/pairs-panel" "$copy.part" && mv "$copy.part" "$copy"; }
    gensr-pref pair "$copy" "votes=[$score]"
    count=$(train "$score" "pairs.limit=$pairs")
    echo "$score: $count pairs"
    set -- "$@" "$score=ar-tiny:checkpoint='$out/$score'"
done
gensr-pref evaluate "$@" --clips "$out/pairs-panel" --out "$out/evaluation" ${EVALUATE:-}
