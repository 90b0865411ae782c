# Read by the recipes here: RUN.yaml OUT [key=value ...] become $run, $out (made, and absolute) and
# what is left. Where fewer than $least (else 2) are given, the recipe's head is shown.
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
    *=*) refuse "$run is a run that is there: no key=value changes it" ;;
    esac
    [ -f "$run/summary.json" ] || refuse "$run is not a run whose build is done"
fi
for model in ${MODELS:-}; do
    case $model in
    ar | mgm | fm) ;;
    *) refuse "MODELS: $model is none of ar, mgm, fm" ;;
    esac
done
[ -e "${CLIPS:-.}" ] || refuse "CLIPS: there is no $CLIPS"
mkdir -p "$out"
out=$(cd "$out" && pwd)

# Candidates of ar-tiny that differ by something the model can take over: how far they spread.
wide='{spread: [0.2, 1.0]}'

sampling() { # MODEL: prints the options that sample as its likelihood says. Those that it ships with
    case $1 in # are careful by hand, which leaves little to learn.
    fm) echo temperature=1,clip_temperature=1 ;;
    *) echo spread=1 ;;
    esac
}

build() { # NAME [key=value ...]: $pairs becomes OUT/NAME, or RUN where that is a run directory
    pairs=$out/$1
    shift
    if [ -d "$run" ]; then
        pairs=$(cd "$run" && pwd)
    else
        gensr-pref build "$run" --out "$pairs" "$@"
    fi
}

pair_anew() { # NAME SETTING ...: the candidates of $pairs under another rule, in OUT/NAME
    copy=$out/$1
    shift
    if ! cmp -s "$pairs/shards.jsonl" "$copy/shards.jsonl"; then # there is none, or the run has grown
        rm -rf "$copy" "$copy.part"
        cp -r "$pairs" "$copy.part" && mv "$copy.part" "$copy"
    fi
    gensr-pref pair "$copy" "$@"
}
