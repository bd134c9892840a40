from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from cpner import __version__
from cpner.cli import COMMANDS, main
from cpner.cli.options import PathType, PlaceType
from tests.support import cpner, shell


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """All commands with their paths."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


@pytest.mark.parametrize("path", [path for path, _ in commands(main)], ids=" ".join)
def test_every_command_shows_an_example(path):
    result = cpner(*path, "--help")

    assert result.exit_code == 0
    assert "Example:\n" in result.stdout
    assert f"cpner {' '.join(path)}" in result.stdout.split("Example:\n")[1].split("Options:")[0]


@pytest.mark.parametrize("command", [command for _, command in commands(main)], ids=lambda command: command.name)
def test_every_option_shows_its_default(command):
    context = click.Context(command)
    for option in command.params:
        if isinstance(option, click.Option) and not option.required and not option.is_flag:
            shown = option.get_help_record(context)[1]
            assert "default: " in shown, option.opts
        if isinstance(option, click.Option):
            assert option.help and option.help.endswith("."), option.opts


def test_defaults_that_help_puts_into_words_are_the_library_s():
    from cpner.backbone.shape import PrefixConfig
    from cpner.experiments.demo.run import DemoConfig
    from cpner.pretraining.config import PretrainConfig
    from cpner.training import TrainingConfig

    training, demo = TrainingConfig(), DemoConfig()
    said = {
        ("warm-up", "--epochs"): f"{training.epochs}, ",
        ("warm-up", "--seed"): f"{training.seed}",
        ("warm-up", "--length"): f"{PrefixConfig().length}, ",
        ("demo", "--steps"): f"{demo.warm_up_steps}",
        ("demo", "--seed"): f"{demo.seed}",
        ("demo", "--target"): demo.target,
        ("pretrain", "--size"): PretrainConfig().size,
        ("pretrain", "--seed"): f"{PretrainConfig().seed}",
    }
    for (name, flag), default in said.items():
        command = main.get_command(click.Context(main), name)
        option = next(option for option in command.params if flag in option.opts)
        assert f"default: ({default}" in " ".join(option.get_help_record(click.Context(command))[1].split())


def test_one_word_means_one_thing():
    """Options of the same name have the same metavar or type in all commands, but where they are known to differ."""
    kinds: dict[str, set[str]] = {}
    for _, command in commands(main):
        for option in command.params:
            if isinstance(option, click.Option) and option.name != "help":
                kinds.setdefault(option.opts[0], set()).add(option.make_metavar(click.Context(command)))
    differing = {name for name, metavars in kinds.items() if len(metavars) > 1}

    choices = {"--format", "--from", "--target", "--strategy"}  # which are not the same
    assert differing <= choices


def test_an_empty_path_is_refused_by_every_option_and_argument():
    seen = 0
    for name, command in commands(main):
        for parameter in command.params:
            assert type(parameter.type) is not click.Path, f"{name} {parameter.name}"
            if isinstance(parameter.type, PathType | PlaceType):
                seen += 1
                with pytest.raises(click.BadParameter, match="is empty; expected a path"):
                    parameter.type_cast_value(click.Context(command), ("",) if parameter.multiple else "")

    assert seen > 40
    result = cpner("predict", "Ada left.", "--domain", "one", "--store", "")
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert "'--store'" in result.stderr and "is empty; expected a path" in result.stderr


def test_the_old_name_of_the_key_of_a_text_is_refused_with_the_new_one():
    result = cpner("annotate", "in.csv", "out.jsonl", "--text", "body")

    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "--text-key" in result.stderr


def test_help_names_every_command_and_loads_none_of_them():
    script = (
        "import sys, cpner.cli\n"
        "try: cpner.cli.main(['--help'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = {'torch', 'numpy', 'rich', 'regex', 'transformers', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    started = time.perf_counter()
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    assert result.returncode == 0, result.stderr
    assert time.perf_counter() - started < 5  # 0.1 s on an idle machine; this one may be busy
    for section, names in COMMANDS.items():
        assert f"{section}:" in result.stdout
        assert all(name in result.stdout for name in names)


@pytest.mark.parametrize("arguments", ["--version", "-h"])
def test_version_and_help_go_to_standard_output(arguments, tmp_path):
    result = shell(f"cpner {arguments}", tmp_path)

    assert (result.returncode, result.stderr) == (0, "")
    assert (__version__ in result.stdout) == (arguments == "--version")


def test_without_arguments_there_is_help():
    result = cpner()

    assert result.exit_code in (0, 2)  # as click does: 2 since 8.2
    assert "warm-up" in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["waarm-up"], "no command 'waarm-up'. Did you mean 'warm-up'?"),
        (["corpora", "stats", "nowhere"], "nowhere: no such folder or file"),
        (["corpora", "stats"], "Missing argument 'CORPUS'"),
        (["corpora", "stats", "sample:news", "--jsom"], "No such option"),
        (["warm-up", "sample:news", "--domain", "a b", "--store", "s"], "'a b' can't name a domain"),
        (["warm-up", "sample:news", "--domain", "x", "--store", "s", "--shots", "0"], "0 is not in the range"),
        (["warm-up", "sample:new", "--domain", "x", "--store", "s"], "Did you mean 'news'?"),
        (["warm-up", "sample:news", "--domain", "x", "--store", "s", "--backbone", "./none"], "no folder './none'"),
        (["warm-up", "sample:news", "--domain", "x", "--store", "s", "--shots", "1", "--count", "1"], "exclude"),
        (["warm-up", "sample:news", "--domain", "x", "--store", "file"], "file"),
        (["transfer", "sample:news", "--target", "x", "--sources", ",", "--store", "s"], "expected one or more names"),
        (["evaluate", "sample:news", "--store", "s"], "give --domain NAME, or --zero-shot"),
        (["evaluate", "sample:news", "--domain", "x"], "give --store DIR"),
        (["evaluate", "sample:news", "--domain", "x", "--store", "s"], "no store at s"),
        (["predict", "text"], "give --domain NAME, or --types"),
        (["predict", "text", "--input", "-", "--types", "person"], "not both"),
        (["predict", "--types", "person", "--input", "none.txt"], "none.txt: No such file"),
        (["predict", "text", "--types", "person", "--device", "gpu"], "no device 'gpu'"),
        (["predict", "text", "--types", "person", "--device", "meta"], "'meta' is not supported"),
        (["domains", "list", "--store", "s"], "no store at s"),
        (["demo", "--target", "opera"], "'opera' is not one of"),
    ],
    ids=lambda value: "-".join(value)[:60] if isinstance(value, list) else "",
)
def test_bad_input_gives_one_line_and_exit_code_2(arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("", encoding="utf-8")

    result = cpner(*arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("cpner: error: ")
    assert result.stderr.count("\n") == 1
    assert said in result.stderr


@pytest.mark.parametrize("arguments", ["corpora list --json", "corpora stats sample:news", "--help"])
def test_a_reader_that_has_gone_is_no_error(arguments, tmp_path):
    result = shell(f"(sleep 0.3; cpner {arguments}) | true", tmp_path)

    assert (result.stdout, result.stderr) == ("", "")


def test_errors_in_a_real_shell(tmp_path):
    result = shell("cpner domains show x --store nowhere", tmp_path)

    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("cpner: error: no store at nowhere")
    assert result.stderr.count("\n") == 1


def test_warnings_are_one_line(monkeypatch):
    import warnings

    from cpner.cli import corpora

    monkeypatch.setattr(corpora, "datasets", lambda: warnings.warn("two\nlines", stacklevel=1) or {})
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        result = cpner("corpora", "list", "--json")

    assert result.stderr == "cpner: warning: two lines\n"
    assert result.stdout.startswith("{")
