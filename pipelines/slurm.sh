#!/usr/bin/env bash
# Build a run on all nodes of a Slurm allocation. Submit it again to continue.
#
#   sbatch --nodes=4 --gpus-per-node=4 pipelines/slurm.sh RUN.yaml /shared/runs/mine [key=value ...]
#
# The environment with gensr-pref must be active when you call sbatch, and the run directory must be
# on storage that all nodes share.
#SBATCH --job-name=gensr-pref
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --signal=B:INT@120
set -euo pipefail

run=$1 out=$2
shift 2
port=${RAY_PORT:-6379}
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
address=$(srun --nodes=1 --ntasks=1 --nodelist="$head" hostname --ip-address | awk '{print $1}')
export RAY_USAGE_STATS_ENABLED=0

srun --nodes=1 --ntasks=1 --nodelist="$head" \
    ray start --head --node-ip-address="$address" --port="$port" --include-dashboard=false --block &
sleep 15
if ((SLURM_JOB_NUM_NODES > 1)); then
    srun --nodes=$((SLURM_JOB_NUM_NODES - 1)) --ntasks=$((SLURM_JOB_NUM_NODES - 1)) \
        --exclude="$head" ray start --address="$address:$port" --block &
fi

# Slurm sends INT to this script two minutes before the time limit. A background process does not
# receive that signal, so the trap sends TERM to the build, which then stops and reports it.
RAY_ADDRESS="$address:$port" gensr-pref build "$run" --out "$out" engine.address=auto "$@" &
build=$!
trap 'kill -TERM "$build"' INT
status=0
wait "$build" || status=$?
if kill -0 "$build" 2>/dev/null; then # the trap ended the first wait
    wait "$build" || status=$?
fi
exit "$status"
