"""The commands: parse, call one function, print; nothing else.

Exit status: 0 done, 1 incomplete (says what is missing), 2 bad input (says which field).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TextIO

from gensr_pref import __version__, process
from gensr_pref.config import plugins
from gensr_pref.errors import GensrPrefError, InputError, RunIncompleteError, quantity
from gensr_pref.storage.location import home, located, require_local
from gensr_pref.untrusted.text import visible, without_secrets

Command = Callable[[argparse.Namespace], None]
_TRACEBACK = "GENSR_PREF_TRACEBACK"  # of the environment: raise what is not foreseen
_DIRECTORY = "run directory, or the URL of one"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    command: Command | None = None
    words: dict[str, str] = {}
    try:
        with process.heeded():
            options = parse(arguments)
            command, words = options.command, _words(options)
            home()  # libraries ask for one, and some fail where there is none
            command(options)
            sys.stdout.flush()  # here, where a reader that is gone is no error
    except GensrPrefError as error:
        _say(f"gensr-pref: {error.shown(words)}", file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1
    except BrokenPipeError:  # the reader of our output, such as `head`, has seen enough
        _close_output()
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C changes nothing any more
        kept = " What is finished is kept; the same command continues."
        _say(f"gensr-pref: interrupted.{kept if command in _CONTINUED else ''}", file=sys.stderr)
        return 1
    except Exception as error:
        if command not in _READING or os.environ.get(_TRACEBACK):
            raise
        _say(f"gensr-pref: {_unforeseen(error)}", file=sys.stderr)
        return 1
    return 0


def _say(text: str, file: TextIO | None = None, flush: bool = False) -> None:
    """Print what a person reads: all of it seen, and no password or token of theirs in it."""
    told = without_secrets(visible(text, lines=True))
    out = file or sys.stdout
    encoding = getattr(out, "encoding", None) or "utf-8"
    print(told.encode(encoding, "backslashreplace").decode(encoding), file=out, flush=flush)


def _close_output() -> None:
    """Write to nowhere from here on, so that nothing is said of it when Python ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # no file, as in a test
            try:
                stream.flush()
            except BrokenPipeError:
                os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _unforeseen(error: Exception) -> str:
    """A sentence for what no build writes, and no reader foresaw, in what a command reads."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"not foreseen: {type(error).__name__}: {error} ({Path(last.filename).name}, line "
        f"{last.lineno}). Where a build wrote what was read, the same build again checks and mends "
        f"it; with {_TRACEBACK}=1 this says more"
    )


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The arguments, with ``key=value`` allowed before and after options."""
    known = parser()
    options, rest = known.parse_known_args(arguments)
    strange = [word for word in rest if "=" not in word or word.startswith("-")]
    if strange or (rest and not hasattr(options, "overrides")):
        known.error(f"unrecognized arguments: {' '.join(strange or rest)}")
    if rest:
        options.overrides = [*options.overrides, *rest]
    return options


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog="gensr-pref",
        description="Preference datasets for generative speech restoration.",
    )
    top.add_argument("--version", action="version", version=f"gensr-pref {__version__}")
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")

    demo = _add(commands, "demo", _demo, "the whole job on the bundled sample")
    demo.add_argument("--out", type=located, default=Path("demo-run"), help=_DIRECTORY)
    _add_overrides(demo)

    build = _add(commands, "build", _build, "corpus to pairs; run again to continue")
    build.add_argument("run", type=Path, metavar="RUN.yaml", help="run file")
    build.add_argument("--out", type=located, required=True, help=_DIRECTORY)
    _add_overrides(build)

    status = _add(commands, "status", _status, "how far a build is, from another terminal")
    status.add_argument("dir", type=located, metavar="DIR", help=_DIRECTORY)
    status.add_argument(
        "--watch", type=float, metavar="SECONDS", help="tell again so often, until the build ends"
    )

    plan = _add(commands, "plan", _plan, "a pilot, and what an aimed number of pairs needs")
    plan.add_argument("run", type=Path, metavar="RUN.yaml", help="run file")
    plan.add_argument("--pairs", type=int, default=80_000, help="the aim")
    plan.add_argument("--clips", dest="pilot", type=int, default=24, help="of the pilot")
    plan.add_argument(
        "--out", type=located, help="keep the pilot here; a build with this --out continues it"
    )
    _add_overrides(plan)

    pair = _add(commands, "pair", _pair, "pairs again from scores, under other rules")
    pair.add_argument("dir", type=located, metavar="DIR", help=_DIRECTORY)
    _add_overrides(pair, "setting of the pairing section, such as margin.dnsmos_ovrl=0.1")

    audit = _add(commands, "audit", _audit, "what the pairs are worth; report.html and audit.json")
    audit.add_argument("dir", type=located, metavar="DIR", help=_DIRECTORY)
    audit.add_argument(
        "other", type=located, nargs="?", metavar="OTHER", help="one to compare with"
    )
    audit.add_argument(
        "--heard", type=int, default=1000, metavar="PAIRS", help="whose audio is looked at"
    )
    audit.add_argument("--open", action="store_true", help="show the report in the browser")

    listen = _add(commands, "listen", _listen, "judge pairs blind, on a page of this machine")
    listen.add_argument("dir", type=located, metavar="DIR", help=_DIRECTORY)
    listen.add_argument("--pairs", type=int, default=40, metavar="N", help="how many to judge")
    listen.add_argument("--listener", metavar="NAME", help="who listens; else the page asks")
    listen.add_argument("--port", type=int, default=0, help="of 127.0.0.1; 0 takes a free one")
    listen.add_argument("--no-browser", action="store_true", help="only print the address")
    listen.add_argument(
        "--export", type=Path, metavar="FOLDER", help="write a webMUSHRA test instead of serving"
    )

    export = _add(commands, "export", _export, "a Hugging Face dataset with a card; to the Hub")
    export.add_argument("dir", type=located, metavar="DIR", help=_DIRECTORY)
    export.add_argument(
        "out", type=Path, metavar="OUT", help="folder to make; an export is replaced"
    )
    export.add_argument(
        "--format",
        dest="form",
        choices=["parquet", "wav-jsonl", "trl"],
        default="parquet",
        help="parquet; plain files; or token ids under TRL's column names",
    )
    export.add_argument(
        "--candidates",
        choices=["none", "scores", "audio"],
        default="scores",
        help="what the config `candidates` has of all candidates; with parquet",
    )
    export.add_argument("--clean", action="store_true", help="the clean clips too")
    export.add_argument(
        "--shard-mb",
        dest="shard_bytes",
        type=_megabytes,
        default="400",
        metavar="MB",
        help="about what a Parquet file holds",
    )
    export.add_argument(
        "--anonymise",
        choices=["drop", "hash"],
        help="speakers and recordings: no names, or pseudonyms",
    )
    export.add_argument(
        "--secret", type=Path, metavar="FILE", help="key of the pseudonyms; else DIR/anonymise.key"
    )
    export.add_argument(
        "--allow",
        dest="allowed",
        action="append",
        default=[],
        metavar="TEXT",
        help="may be published, whatever it looks like; may be given again",
    )
    export.add_argument(
        "--push-to-hub", dest="repository", metavar="ORG/NAME", help="and bring it to the Hub"
    )
    export.add_argument("--public", action="store_true", help="a new repository is public")
    export.add_argument("--revision", metavar="BRANCH", help="to push to; else main")
    export.add_argument("--create-pr", action="store_true", help="push as a pull request")
    export.add_argument(
        "--others",
        choices=["keep", "delete"],
        help="what becomes of files in the repository that no export wrote",
    )
    export.add_argument("--dry-run", action="store_true", help="push nothing; list what would go")

    score = _add(commands, "score", _score, "the panel on plain folders of audio")
    score.add_argument(
        "systems",
        nargs="+",
        metavar="DIR",
        help="a folder of audio per system (or one file); then METRIC.OPTION=VALUE, if any",
    )
    score.set_defaults(overrides=[])
    score.add_argument("--out", type=Path, required=True, help="a .parquet, .csv or .jsonl to make")
    score.add_argument("--reference", type=Path, metavar="DIR", help="the same clips, clean")
    score.add_argument("--noisy", type=Path, metavar="DIR", help="the same clips, unrestored")
    score.add_argument("--texts", type=Path, metavar="TABLE", help="columns audio, text, language")
    score.add_argument("--language", help="of all clips; ISO 639-1, such as en")
    score.add_argument("--panel", help="names with commas, or a YAML file with a `panel`")
    score.add_argument("--align", action="store_true", help="undo each file's delay and polarity")
    score.add_argument("--workers", default="auto", help="processes; auto = one per CPU")
    score.add_argument("--device", default="cpu", help="torch device, such as cuda")

    evaluate = _add(commands, "evaluate", _evaluate, "policies side by side on held-out clips")
    evaluate.add_argument(
        "words",
        nargs="+",
        metavar="GENERATOR",
        help="[label=]name[:option=value,...], the base first, such as base=fm-tiny "
        "dpo@1=fm-tiny:checkpoint=runs/dpo; or an evaluation file (.yaml), then key=value",
    )
    evaluate.set_defaults(overrides=[])
    evaluate.add_argument("--out", type=Path, required=True, help="folder of the evaluation")
    evaluate.add_argument(
        "--clips",
        metavar="PATH",
        help="run file, manifest, folder with noisy/ and clean/, or the validation split of a run "
        "directory or exported dataset",
    )
    evaluate.add_argument("--limit", type=int, metavar="N", help="clips; absent = all")
    evaluate.add_argument("--samples", type=int, metavar="N", help="of each clip; default 4")
    evaluate.add_argument(
        "--base", metavar="LABEL", help="what is compared with; default the first"
    )
    evaluate.add_argument(
        "--control", action="append", metavar="LABEL", help="a policy that should gain nothing"
    )
    evaluate.add_argument("--panel", help="names with commas, or a YAML file with a `panel`")
    evaluate.add_argument(
        "--hold-out", metavar="NAMES", help="metrics or scores that did not choose the pairs"
    )
    evaluate.add_argument(
        "--over", choices=["clip", "speaker"], help="what intervals are over; default clip"
    )
    evaluate.add_argument("--seed", type=int, help="of all that is random")
    evaluate.add_argument("--workers", help="processes; default one per CPU")
    evaluate.add_argument("--device", help="torch device, such as cuda; default cpu")

    restore = _add(commands, "restore", _restore, "a file or a folder through a generator")
    restore.add_argument("source", type=Path, metavar="IN", help="a noisy file or a folder of them")
    restore.add_argument("out", type=Path, metavar="OUT", help="the file or folder to make")
    restore.add_argument("--generator", required=True, metavar="NAME", help="or module:Class")
    restore.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="of the generator, as in a run file; may be given again",
    )
    restore.add_argument(
        "--best-of",
        dest="candidates",
        type=int,
        default=1,
        metavar="N",
        help="candidates to choose from",
    )
    restore.add_argument(
        "--by", metavar="SCORE", help="the score that chooses; with --best-of, dnsmos_ovrl"
    )
    restore.add_argument("--seed", type=int, default=0, help="of all that is random")
    restore.add_argument("--device", default="cpu", help="torch device, such as cuda")

    fetch = _add(commands, "fetch", _fetch, "download weights and check them; no name: list them")
    fetch.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="checkpoint, such as utmos, or ORG/NAME[@REVISION] on the Hub",
    )
    fetch.add_argument("--sha256", metavar="HEX", help="digest the file must have; for one name")
    fetch.add_argument(
        "--verify", action="store_true", help="hash what is here again; downloads nothing"
    )

    _add(commands, "metrics", _metrics, "the metrics there are")
    _add(commands, "generators", _generators, "the generators there are")

    train = _add(commands, "train", _train, "train a generator; run again to continue")
    train.add_argument(
        "recipe", type=Path, metavar="TRAIN.yaml", help="recipe (pretrain, tokenize, dpo, average)"
    )
    train.add_argument("--out", type=Path, required=True, help="folder of the checkpoint")
    _add_overrides(train)
    return top


def _add(commands: Any, name: str, command: Command, text: str) -> argparse.ArgumentParser:
    added: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    added.add_argument("--json", action="store_true", help="print JSON")
    added.set_defaults(command=command, parser=added)
    return added


def _words(options: argparse.Namespace) -> dict[str, str]:
    """The words of a command for the parameters that errors name: its flags and metavars.

    A parameter and its argument share their name (`dest`), so this is the only translation.
    """
    return {
        action.dest: action.option_strings[-1]
        if action.option_strings
        else str(action.metavar or action.dest)
        for action in options.parser._actions
    }


def _megabytes(text: str) -> int:
    return int(text) * 10**6


def _add_overrides(
    command: argparse.ArgumentParser, text: str = "override of a field, such as corpus.limit=8"
) -> None:
    command.add_argument("overrides", nargs="*", metavar="key=value", help=text)


def _demo(options: argparse.Namespace) -> None:
    from gensr_pref import sample

    options.run = sample.DEMO
    _build(options)


def _build(options: argparse.Namespace) -> None:
    from gensr_pref.config import run_file

    run = run_file.load(options.run, options.overrides)  # refused before the engine is imported
    from gensr_pref.building.build import build

    with contextlib.redirect_stdout(sys.stderr):  # what plugins print is no result
        summary = build(run, options.run.resolve().parent, options.out)
    _show(summary, options.out, options, rule=run.pairing.rule)


def _status(options: argparse.Namespace) -> None:
    from gensr_pref.building.status import status, watched
    from gensr_pref.cli import text

    found = [status(options.dir)] if options.watch is None else watched(options.dir, options.watch)
    for one in found:
        _say(json.dumps(one) if options.json else text.status(one), flush=True)


def _plan(options: argparse.Namespace) -> None:
    import tempfile

    from gensr_pref.config import run_file

    run = run_file.load(options.run, options.overrides)
    from gensr_pref.apply.pilot import plan
    from gensr_pref.cli import text

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        out = options.out or Path(folder) / "pilot"
        found = plan(run, options.run.resolve().parent, out, options.pilot, options.pairs)
    _say(json.dumps(found, indent=2) if options.json else text.plan(found))


def _pair(options: argparse.Namespace) -> None:
    _say(f"{options.dir}: pairs again, from its scores", sys.stderr, flush=True)
    from gensr_pref.building.pair import names_rule, pair

    plugins.search(Path.cwd())  # of a rule that is named here
    summary = pair(options.dir, options.overrides)
    rule = summary["pairing"]["rule"] if names_rule(options.overrides) else None
    _show(summary, options.dir, options, brief=True, rule=rule)


def _show(
    summary: dict[str, Any],
    out: Path,
    options: argparse.Namespace,
    brief: bool = False,
    rule: str | None = None,
) -> None:
    """Print what was made, with its audit; refuse to call it whole where it is not.

    Args:
        rule: of the pairs, where the user's own run file or command line names it.
    """
    from gensr_pref.auditing.run_audit import audit
    from gensr_pref.cli import text
    from gensr_pref.pairing.rules import find_rule

    loaded = find_rule(rule) if rule else None
    found = audit(out, brief=brief, rule=loaded) if summary["shards"] else None
    if options.json:
        _say(json.dumps({"summary": summary, "audit": found}, indent=2))
    elif found:
        _say(f"{text.summary(summary, found)}\n\n{text.means(found)}")
    if not summary["complete"] or not summary["clips"]:
        raise RunIncompleteError(text.incomplete(summary))
    if not options.json and found:
        said = options.overrides if brief else ()
        _say(f"\n{text.next_steps(out, summary, found, said)}")


def _audit(options: argparse.Namespace) -> None:
    from gensr_pref.auditing.compare import compare_audits
    from gensr_pref.auditing.load import evidence
    from gensr_pref.auditing.report.write import report_of
    from gensr_pref.auditing.run_audit import audit_of
    from gensr_pref.cli import audit_text, text

    places = [options.dir, *([options.other] if options.other else [])]
    for place in places if options.open else ():
        require_local(place, "--open needs that: copy audit/report.html here and open it")
    seen = [evidence(place) for place in places]
    found = [audit_of(one, options.heard) for one in seen]
    pages = [report_of(one, told) for one, told in zip(seen, found, strict=True)]
    if options.other:
        told = compare_audits(*found)
        _say(json.dumps(told, indent=2) if options.json else audit_text.comparison(told))
    elif options.json:
        _say(json.dumps(found[0], indent=2))
    else:
        written = f"Written to {pages[0]}; the numbers to {pages[0].with_name('audit.json')}"
        _say("\n\n".join([audit_text.whole(found[0]), text.means(found[0]), written]))
    if options.open:
        import webbrowser

        for page in pages:
            webbrowser.open(page.resolve().as_uri())


def _listen(options: argparse.Namespace) -> None:
    from gensr_pref.auditing.listening import server, webmushra

    if options.export:
        told = webmushra.export_webmushra(options.dir, options.export, options.pairs)
        _say(
            json.dumps(told)
            if options.json
            else f"{told['config']}: {quantity(told['trials'], 'trial')}"
        )
        return
    address = server.open_server(options.dir, options.pairs, options.listener, options.port)
    with address as (url, serve):
        _say(json.dumps({"url": url}) if options.json else f"Listening page: {url}", flush=True)
        if not options.no_browser:
            import webbrowser

            webbrowser.open(url)
        with contextlib.suppress(KeyboardInterrupt):  # the way to end it
            serve()


def _export(options: argparse.Namespace) -> None:
    from gensr_pref.cli import export_text
    from gensr_pref.exporting.dataset import Wanted
    from gensr_pref.exporting.export_run import Publishing
    from gensr_pref.exporting.hub import Target
    from gensr_pref.exporting.publish import publish

    wanted = Wanted(options.form, options.candidates, options.clean, options.shard_bytes)
    name, branch, pull_request = options.repository, options.revision, options.create_pr
    publishing = Publishing(options.anonymise, options.secret, options.allowed, name)
    target = Target(name, options.public, branch, pull_request, options.others) if name else None
    given = options.public, branch, pull_request, options.others, options.dry_run
    if target is None and any(given):
        raise InputError(
            "--public, --revision, --create-pr, --others and --dry-run go with --push-to-hub"
        )
    with contextlib.redirect_stdout(sys.stderr):  # what plugins print is no result
        found = publish(options.dir, options.out, wanted, publishing, target, options.dry_run)
    _say(
        json.dumps(found, indent=2)
        if options.json
        else export_text.exported(found).shown(_words(options))
    )


def _score(options: argparse.Namespace) -> None:
    from gensr_pref.apply.audio_folders import Folders
    from gensr_pref.apply.default_panel import asked_for
    from gensr_pref.apply.score import engine_for, score
    from gensr_pref.cli import text

    settings = [word for word in options.systems if "=" in word and not Path(word).exists()]
    systems = [Path(word) for word in options.systems if word not in settings]
    settings += options.overrides
    folders = Folders(
        tuple(systems), options.reference, options.noisy, options.texts, options.language
    )
    given = (options.reference is not None, options.align, options.texts is not None,
             options.noisy is not None)  # fmt: skip
    plugins.search(Path.cwd())  # of a metric that is named here
    uses = asked_for(options.panel, settings, *given)
    engine = engine_for(options.workers, options.device)
    with contextlib.redirect_stdout(sys.stderr):  # what plugins print is no result
        words = _words(options)
        found = score(folders, uses, options.out, engine, lambda line: _say(line.shown(words)))
    _say(json.dumps(found, indent=2) if options.json else text.scored(found))
    if found["lost"]:
        raise RunIncompleteError(text.given_up(found))
    if not text.any_score(found):
        raise RunIncompleteError(f"no file has any score; {found['out']} says why")


def _evaluate(options: argparse.Namespace) -> None:
    from gensr_pref.apply import evaluation_report
    from gensr_pref.apply.evaluate import evaluate
    from gensr_pref.apply.evaluation_file import asked
    from gensr_pref.cli import text

    if not options.words[0].endswith((".yaml", ".yml")):
        plugins.search(Path.cwd())  # of what is named here
    wanted, home = asked([*options.words, *options.overrides], vars(options))
    with contextlib.redirect_stdout(sys.stderr):  # what plugins print is no result
        summary, found = evaluate(wanted, home, options.out)
    if options.json:
        _say(json.dumps(found, indent=2))
    elif found:
        written = f"Written to {options.out}: evaluation.json, evaluation.md, evaluation.svg"
        _say(f"{evaluation_report.whole(found)}\n\n{written}")
    if not summary["complete"] or not found:
        raise RunIncompleteError(text.incomplete(summary))


def _restore(options: argparse.Namespace) -> None:
    from gensr_pref.apply.restore import Wanted, restore
    from gensr_pref.cli import text
    from gensr_pref.config import run_file

    plugins.search(Path.cwd())  # of a generator that is named here
    use = run_file.parse(
        {
            "use": options.generator,
            "candidates": options.candidates,
            "options": run_file.override({}, options.option),
        },
        run_file.GeneratorUse,
        "--best-of" if options.candidates < 1 else "--generator",
    )
    wanted = Wanted(use, options.by, options.seed, options.device)
    with contextlib.redirect_stdout(sys.stderr):  # what plugins print is no result
        found = restore(options.source, options.out, wanted)
    _say(json.dumps(found, indent=2) if options.json else text.restored(found))
    if found["failed"]:
        raise RunIncompleteError(text.not_restored(found))


def _fetch(options: argparse.Namespace) -> None:
    from gensr_pref.cli import text
    from gensr_pref.weights import fetch

    def show(rows: list[dict[str, Any]]) -> None:
        _say(json.dumps(rows, indent=2) if options.json else text.listed(rows, "name", "notice"))

    if options.verify:
        found = fetch.verify(options.names)
    elif options.names:
        try:
            found = fetch.fetch(options.names, options.sha256)
        except fetch.PartlyFetchedError as error:
            show(error.rows)
            raise
    else:
        found = fetch.listing()
    show(found)


def _metrics(options: argparse.Namespace) -> None:
    from gensr_pref.apply import catalogue
    from gensr_pref.cli import text

    found = catalogue.metrics()
    lines = text.listed(found, "metric", "model", "notice", "missing")
    _say(json.dumps(found, indent=2) if options.json else lines)


def _generators(options: argparse.Namespace) -> None:
    from gensr_pref.apply import catalogue
    from gensr_pref.cli import text

    found = catalogue.generators()
    lines = text.listed(found, "generator", "options", "revision", "missing")
    _say(json.dumps(found, indent=2) if options.json else lines)


def _train(options: argparse.Namespace) -> None:
    from gensr_pref.aligning.pretrain.recipe import Pretrain, load
    from gensr_pref.aligning.recipe import Average, Dpo

    recipe = load(options.recipe, options.overrides)
    base, out = options.recipe.resolve().parent, str(options.out)
    plugins.search(base)  # of a generator that the recipe names
    if isinstance(recipe, Pretrain):
        from gensr_pref.aligning.pretrain.train import pretrain

        pretrain(recipe, base, options.out)
        told: dict[str, Any] = {"checkpoint": out, "steps": recipe.steps}
        name = f"{recipe.model.paradigm}-tiny"
        use = f"In a run file: generators: [{{use: {name}, options: {{checkpoint: {out}}}}}]"
    elif isinstance(recipe, Dpo):
        from gensr_pref.aligning.train import align

        told = {"checkpoint": out, **align(recipe, base, options.out)}
        name = recipe.generator.use
        use = f"In a run file: generators: [{{use: {name}, options: {{checkpoint: {out}}}}}]"
    elif isinstance(recipe, Average):
        from gensr_pref.aligning.average import averaged

        averaged(recipe, base, options.out)
        told = {"checkpoint": out, "averaged": recipe.checkpoints}
        use = f"It is a checkpoint of {recipe.generator.use}"
    else:
        from gensr_pref.aligning.pretrain.tokenizer import tokenize

        told = {"tokenizer": out, "digest": tokenize(recipe, base, options.out).digest}
        use = f"In a recipe: model: {{paradigm: ar, tokenizer: {out}}}"
    _say(json.dumps(told) if options.json else f"{out}: trained. {use}")


_READING = (_status, _pair, _audit, _listen, _export, _evaluate, _train)  # of strangers perhaps
_CONTINUED = (_demo, _build, _plan, _score, _evaluate, _restore, _fetch, _train)
