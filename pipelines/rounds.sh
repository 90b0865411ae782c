#!/bin/sh
# Rounds of pairing and alignment. The policy of each round samples the candidates of the next round and is
# its reference model.
#   pipelines/rounds.sh RUN.yaml TRAIN.yaml OUT ROUNDS [key=value of the run file ...]
# RUN.yaml and TRAIN.yaml name the same generator, which must have the option `checkpoint`. The
# environment variable TRAIN has key=value for every training. Finished steps are not repeated, so the
# same command continues.
set -euf

if [ $# -lt 4 ]; then
    sed -n '2,/^set /s/^# *//p' "$0" >&2
    exit 2
fi
run=$1 recipe=$2 rounds=$4
mkdir -p "$3"
out=$(cd "$3" && pwd)
shift 4

# The run's seed does not change, so the same clips are held out in every round.
build() { gensr-pref build "$run" --out "$out/pairs-$round" "$@"; }
train() {
    gensr-pref train "$recipe" --out "$out/policy-$round" "seed=$round" \
        "pairs.source={kind: run, path: '$out/pairs-$round'}" ${TRAIN:-} "$@"
}

round=1
while [ "$round" -le "$rounds" ]; do
    if [ "$round" -eq 1 ]; then
        build "$@"
        train
    else
        last="$out/policy-$((round - 1))"
        build "$@" "generators.0.options.checkpoint='$last'"
        train "generator.options.checkpoint='$last'"
    fi
    round=$((round + 1))
done
