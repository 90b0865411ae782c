# The other scripts source this file. It parses RUN.yaml OUT [key=value ...]: $run and $out (created, and an
# absolute path) are set, and the other arguments stay in "$@". With fewer than $least arguments
# (default 2), it prints the comment at the head of the script as usage.
refuse() {
    echo "$0: $1" >&2
    exit 2
}

if [ $# -lt "${least:-2}" ]; then
    sed -n '2,/^set /s/^# *//p' "$0" >&2
    exit 2
fi
run=$1 out=$2
shift 2
if [ -d "$run" ]; then
    case $* in
    *=*) refuse "$run is an existing run, which key=value cannot change" ;;
    esac
    [ -f "$run/summary.json" ] || refuse "$run is not a run with a finished build"
fi
for model in ${MODELS:-}; do
    case $model in
    ar | mgm | fm) ;;
    *) refuse "MODELS: $model is none of ar, mgm, fm" ;;
    esac
done
[ -e "${CLIPS:-.}" ] || refuse "CLIPS: $CLIPS does not exist"
mkdir -p "$out"
out=$(cd "$out" && pwd)

# Options for candidates of ar-tiny. They differ in `spread`, which the model can learn from pairs.
wide='{spread: [0.2, 1.0]}'

# sampling MODEL: print the options that sample from the model's likelihood. Its default options are
# tuned to be careful, which leaves little to learn.
sampling() {
    case $1 in
    fm) echo temperature=1,clip_temperature=1 ;;
    *) echo spread=1 ;;
    esac
}

# build NAME [key=value ...]: build OUT/NAME and set $pairs to it, or to RUN if that is a run directory.
build() {
    pairs=$out/$1
    shift
    if [ -d "$run" ]; then
        pairs=$(cd "$run" && pwd)
    else
        gensr-pref build "$run" --out "$pairs" "$@"
    fi
}

# pair_again NAME SETTING ...: copy $pairs to OUT/NAME and pair its candidates with other settings.
pair_again() {
    copy=$out/$1
    shift
    if ! cmp -s "$pairs/shards.jsonl" "$copy/shards.jsonl"; then # no copy yet, or the run has grown
        rm -rf "$copy" "$copy.part"
        cp -r "$pairs" "$copy.part" && mv "$copy.part" "$copy"
    fi
    gensr-pref pair "$copy" "$@"
}
