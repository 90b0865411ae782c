"""A program for the generator `command`: it restores files or fails in a selected way.

program.py HOW INPUT OUTPUT SEED | HOW manifest FILE | HOW folders INPUT_FOLDER OUTPUT_FOLDER
"""

import csv
import json
import os
import subprocess
import sys
import time
import wave
from array import array
from pathlib import Path


def main(how, *arguments):
    if arguments[0] == "manifest":
        with open(arguments[1], newline="") as lines:  # noqa: PTH123
            jobs = [(r["input"], r["output"], r["seed"]) for r in csv.DictReader(lines)]
    elif arguments[0] == "folders":
        names = sorted(os.listdir(arguments[1]))  # noqa: PTH208
        jobs = [(f"{arguments[1]}/{n}", f"{arguments[2]}/{n}", k + 1) for k, n in enumerate(names)]
    else:
        jobs = [arguments]
    for source, target, seed in jobs:
        restore(how, source, target, int(seed))


def restore(how, source, target, seed):
    with wave.open(source) as file:
        rate, samples = file.getframerate(), array("h", file.readframes(file.getnframes()))
    factor = 0.5 + seed % 1000 / 2000
    made = array("h", [int(factor * value) for value in samples])
    if how == "fail" or (how == "odd" and seed % 2):
        print("a first line\n\nthe weights have gone sour in", target, file=sys.stderr)
        sys.exit(3)
    if how == "crash":
        os.abort()
    if how == "hang":
        subprocess.Popen(["sleep", "600"])  # a child that would outlive it
        with open(os.environ["TALLY"], "a") as tally:  # noqa: PTH123
            tally.write(f"{os.getpgrp()}\n")
        time.sleep(600)
    if how == "nothing":
        return
    if how == "garbage":
        Path(target).write_text("no audio")
        return
    if how == "short":
        made = made[: len(made) // 2]
    if how == "silent":
        made = array("h", [0] * len(made))
    if how == "environment":
        environment = {k: os.environ.get(k) for k in ("FLAVOUR", "PYTHONPATH", "OMP_NUM_THREADS")}
        Path(f"{target}.json").write_text(json.dumps({**environment, "folder": str(Path.cwd())}))
    if how == "note":
        Path(f"{target}.json").write_text(json.dumps({"factor": factor}))
    with wave.open(target, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000 if how == "rate" else rate)
        file.writeframes(made.tobytes())


main(*sys.argv[1:])
