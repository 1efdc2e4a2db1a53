"""`voxboard completion SHELL`: a script that completes commands, flags and names, without starting Python.

All of it is written from the table of commands and the dataclasses of their settings.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from importlib import resources
from typing import Literal, get_args, get_origin

import tyro

from voxboard import limits
from voxboard.cli.parse import ALL, parse

DESCRIPTION = """Print a script that completes voxboard's commands, flags and names in a shell.

  voxboard completion bash > ~/.local/share/bash-completion/completions/voxboard
  voxboard completion zsh > ~/.voxboard-completion.zsh      and in ~/.zshrc: source ~/.voxboard-completion.zsh
  voxboard completion fish > ~/.config/fish/completions/voxboard.fish

Print it again after an update. Options of a model (--channels …) are in voxboard train DATA MODEL --help."""
CONFIG, SETTINGS_OF, CLI = "voxboard.training.config", "voxboard.settings", "voxboard.cli"
# Command, with its subcommand → the dataclasses of its settings.
SETTINGS: dict[str, tuple[str, ...]] = {
    "train": (
        *(f"{CLI}.train:TaskArgs", f"{CLI}.train:Resume", f"{CONFIG}:General", f"{CONFIG}:Training"),
        *(f"{SETTINGS_OF}:Evaluation", "voxboard.data.augmentation:Augmentation"),
    ),
    "eval": (f"{SETTINGS_OF}:Eval", f"{CLI}.train:TaskArgs", f"{SETTINGS_OF}:Weights", f"{SETTINGS_OF}:Evaluation"),
    "embed": (f"{CLI}.embed:Embed",),
    "predict": (f"{CLI}.predict:Predict",),
    "weights list": (f"{CLI}.weights:WeightsListArgs",),
    "weights get": (f"{CLI}.weights:Get",),
    "weights path": (f"{CLI}.weights:PathArgs",),
    "prepare": (f"{CLI}.prepare:Prepare",),
    "trials build": (f"{CLI}.trials:Build",),
    "trials check": (f"{CLI}.trials:CheckArgs",),
    "trials show": (f"{CLI}.trials:CheckArgs",),
    "trials convert": (f"{CLI}.trials:Convert",),
    "grid run": (f"{CLI}.grid:RunArgs",),
    "grid status": (f"{CLI}.grid:GridArgs",),
    "grid cross": (f"{CLI}.grid:CrossArgs",),
    "nightly": (f"{CLI}.nightly:Nightly",),
    "board": (f"{CLI}.board:BoardArgs",),
    "compare": (f"{CLI}.compare:CompareArgs",),
    "score": (f"{CLI}.score:ScoreArgs",),
    "verify": (f"{CLI}.verify:VerifyArgs",),
    "plot": (f"{CLI}.plot:PlotArgs",),
    "demo": (f"{CLI}.demo:Demo",),
    "list": (f"{CLI}.list:ListArgs",),
    "show": (f"{CLI}.show:Show",),
    "completion": (f"{CLI}.completion:Completion",),
    "doctor": (f"{CLI}.doctor:Installation",),
    "doctor backbones": (f"{CLI}.doctor:All",),
    "doctor poolers": (f"{CLI}.doctor:All",),
    "doctor heads": (f"{CLI}.doctor:All",),
    "doctor backbone": (f"{CLI}.doctor:One",),
    "doctor pooler": (f"{CLI}.doctor:One",),
    "doctor head": (f"{CLI}.doctor:One",),
}


@dataclass(frozen=True)
class Completion:
    """For which shell."""

    shell: tyro.conf.Positional[Literal["bash", "zsh", "fish"]]
    """The shell that reads the script."""


def main(argv: Sequence[str]) -> int:
    """Print the script. Returns 0."""
    args = parse(Completion, argv, prog="completion", description=DESCRIPTION)
    sys.stdout.write({"bash": bash, "zsh": zsh, "fish": fish}[args.shell]())
    return 0


def flags() -> dict[str, list[str]]:
    """Command → its flags."""
    table = {}
    for command in SETTINGS:
        names = [f.name for kind in _kinds(command) for f in fields(kind) if not _positional(kind, f.name)]
        further = [ALL] if command in ("train", "eval") else []
        table[command] = [*(f"--{name}" for name in dict.fromkeys(names)), "--help", *further, "--debug"]
    return table


def choices() -> dict[str, list[str]]:
    """Flag → the words that it takes, where these are few."""
    from voxboard import benchmarks

    table: dict[str, list[str]] = {}
    for command in SETTINGS:
        for kind in _kinds(command):
            for f in fields(kind):
                words = _words(limits.hints(kind).get(f.name))
                if words and not _positional(kind, f.name):
                    values = table.setdefault(f"--{f.name}", [])
                    values += [word for word in words if word not in values]
    table["--device"] = ["auto", "cpu", "cuda", "mps"]
    table["--task"] = [*benchmarks.REGISTRY.names()]
    return table


def words() -> dict[str, list[str]]:
    """Command → the words that may stand first behind it; "train 2": those that stand second."""
    from voxboard import benchmarks, published, systems
    from voxboard.catalogue import KINDS, names
    from voxboard.cli import COMMANDS
    from voxboard.data import catalogue

    table = {"": [*COMMANDS, "help"], "help": [*COMMANDS]}
    for command in SETTINGS:
        first, _, second = command.partition(" ")
        if second:
            table.setdefault(first, []).append(second)
    corpora, models = [*catalogue.names(), *benchmarks.cards()], [*systems.named()]
    for command in ("train", "eval", "prepare"):
        table[command] = corpora
        table[f"{command} 2"] = [] if command == "prepare" else models
    table["embed"] = corpora
    for command in ("weights get", "weights path"):
        table[command] = published.names()
    for part in KINDS[:3]:
        table[f"doctor {part}"] = names(part)
    table["show"] = [name for part in KINDS for name in names(part)]
    for command in ("grid run", "grid status", "nightly"):
        table[command] = _grids()
    for command in ("list", "plot", "completion"):
        (kind,) = _kinds(command)
        table[command] = _words(_hint(kind, fields(kind)[0].name))
    return {command: options for command, options in table.items() if options}


def bash() -> str:
    """The script for bash, from version 3 on."""
    tables = "\n".join(
        f'_voxboard_{name}() {{\n  case "$1" in\n{"".join(_cases(table))}  esac\n}}'
        for name, table in (("flags", flags()), ("choices", choices()), ("words", words()))
    )
    return f"# Completion of voxboard for bash: voxboard completion bash\n{tables}\n{_BASH}"


def zsh() -> str:
    """The script for zsh, which reads bash's."""
    start = "autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n"
    return f"# Completion of voxboard for zsh: voxboard completion zsh\n{start}{bash()}"


def fish() -> str:
    """The script for fish."""
    commands, options, table = words(), choices(), flags()
    lines = ["# Completion of voxboard for fish: voxboard completion fish"]
    lines.append(f"complete -c voxboard -n __fish_use_subcommand -f -a '{' '.join(commands[''])}'")
    for command, names in commands.items():
        if command:
            place = command.removesuffix(" 2")
            lines.append(f"complete -c voxboard -n '{_seen(place)}' -a '{' '.join(names)}'")
    for command, names in table.items():
        for name in names:
            takes = f" -x -a '{' '.join(options[name])}'" if name in options else ""
            lines.append(f"complete -c voxboard -n '{_seen(command)}' -l {name.removeprefix('--')}{takes}")
    return "\n".join(lines) + "\n"


def _grids() -> list[str]:
    files = resources.files("voxboard.benchmarks").joinpath("grids").iterdir()
    return sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml"))


def _seen(command: str) -> str:
    return "; and ".join(f"__fish_seen_subcommand_from {word}" for word in command.split())


def _cases(table: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for key, names in table.items():
        yield f"    '{key}') echo '{' '.join(names)}' ;;\n"


def _kinds(command: str) -> list[type]:
    targets = (target.partition(":") for target in SETTINGS[command])
    kinds = [getattr(importlib.import_module(module), name) for module, _, name in targets]
    if command in ("train", "eval"):
        from voxboard import benchmarks

        kinds += [benchmarks.REGISTRY.resolve(name)[0].Config for name in benchmarks.REGISTRY.names()]
    return kinds


def _hint(kind: type, name: str) -> object:
    return limits.hints(kind).get(name)


def _positional(kind: type, name: str) -> bool:
    return tyro.conf.Positional in get_args(_hint(kind, name))


def _words(hint: object) -> list[str]:
    """The words of a `Literal`, however it is wrapped."""
    if get_origin(hint) is Literal:
        return [str(word) for word in get_args(hint)]
    return [word for inner in get_args(hint)[:1] for word in _words(inner)]


_BASH = r"""
_voxboard() {
  local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}" first="${COMP_WORDS[1]}" key known
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    known=$(_voxboard_words '')
  elif [ -n "$(_voxboard_choices "$prev")" ]; then
    known=$(_voxboard_choices "$prev")
  else
    key="$first"
    [ -n "$(_voxboard_flags "$first ${COMP_WORDS[2]}")" ] && [ "$COMP_CWORD" -gt 2 ] && key="$first ${COMP_WORDS[2]}"
    case "$cur" in
      -*) known=$(_voxboard_flags "$key") ;;
      *)
        case "$prev" in -*) return ;; esac
        known=$(_voxboard_words "$key")
        if [ "$COMP_CWORD" -eq 3 ] && [ "$key" = "$first" ]; then known=$(_voxboard_words "$key 2"); fi ;;
    esac
  fi
  COMPREPLY=($(compgen -W "$known" -- "$cur"))
}
complete -o default -F _voxboard voxboard
"""
