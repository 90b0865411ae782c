# Read by the recipes here: RUN.yaml OUT [key=value ...] become $run, $out (made, and absolute) and
# what is left. Where fewer than $least (else 2) are given, the recipe's head is shown.
if [ $# -lt "${least:-2}" ]; then
    sed -n '2,6s/^# *//p' "$0" >&2
    exit 2
fi
run=$1
mkdir -p "$2"
out=$(cd "$2" && pwd)
shift 2
