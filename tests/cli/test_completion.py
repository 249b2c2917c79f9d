"""Completion scripts, read by the shells themselves, and the manual page."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from imgsearch.cli import main
from imgsearch.cli.shell.completion import script
from imgsearch.cli.shell.manual import page
from imgsearch.cli.verb_table import every_verb

ASK = """
source "$1"; shift
function=$(complete -p imgsearch | sed 's/.*-F //; s/ .*//')
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
"$function" "$1" "${@: -1}" "${@: -2:1}"
printf '%s\\n' "${COMPREPLY[@]}"
"""

ASKED = [
    (["se"], {"search", "serve"}),
    (["search", "--so"], {"--sort"}),
    (["search", "--sort", "n"], {"newest", "name"}),
    (["dedup", "fi"], {"find"}),
    (["dedup", "find", "--ti"], {"--tiers"}),
    (["--libr"], {"--library"}),
    (["completion", "z"], {"zsh"}),
]


ASK_ZSH = r"""
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z "fpath=($1 \$fpath); autoload -Uz compinit; compinit -u -D; PROMPT="; shift
zpty -w z 'zstyle ":completion:*" insert-tab false; asked() { zle complete-word; print -r -- "DO""NE" }'
zpty -w z 'compadd() {
  [[ " $* " == *\ -[a-zA-Z]#[OAD]\ * ]] || {
    local -a hits; builtin compadd -A hits "$@"; local hit; for hit in $hits; do print -r -- "HI""T<$hit>"; done
  }
  builtin compadd "$@"
}'
zpty -w z 'zle -N asked; bindkey "^I" asked; print REA""DY'
zpty -r z line '*READY*'
for words in "$@"; do
  zpty -n -w z "$words"$'\t'
  zpty -r z line '*DONE*'
  print -r -- "ASKED $line"
  zpty -n -w z $'\x15'
done
zpty -d z
"""
"""A shell at a terminal of its own, where Tab is pressed: what the completion offers, before zsh makes its choice."""


def run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("completion")
    names = {"bash": "imgsearch.bash", "zsh": "_imgsearch", "fish": "imgsearch.fish"}
    made = {shell: folder / name for shell, name in names.items()}
    for shell, path in made.items():
        path.write_text(script(shell))
    return made


def shell(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: its completion was not tried (.ci/run installs it)")
    return found


@pytest.mark.parametrize(("words", "expected"), ASKED)
def test_bash_completes_after_sourcing_the_script(
    scripts: dict[str, Path], words: list[str], expected: set[str]
) -> None:
    answer = run([shell("bash"), "-c", ASK, "bash", str(scripts["bash"]), "imgsearch", *words])
    assert set(answer.split()) == expected


def test_bash_completes_folders_where_a_folder_is_wanted(scripts: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "forest.txt").touch()
    words = ["imgsearch", "search", "--library", f"{tmp_path}/fo"]
    assert run([shell("bash"), "-c", ASK, "bash", str(scripts["bash"]), *words]).split() == [f"{tmp_path}/folder"]


@pytest.mark.parametrize(("words", "expected"), ASKED)
def test_fish_completes_after_sourcing_the_script(
    scripts: dict[str, Path], words: list[str], expected: set[str]
) -> None:
    asked = f"source {scripts['fish']}; complete -C 'imgsearch {' '.join(words)}'"
    assert {line.split("\t")[0] for line in run([shell("fish"), "-c", asked]).splitlines()} == expected


def test_zsh_shows_the_line_of_the_help(scripts: dict[str, Path]) -> None:
    listed = set(re.findall(r"(?m)^ {4}([\w-]+):'(.*)'$", scripts["zsh"].read_text()))
    assert {(verb.name, verb.help_line().replace("'", "'\"'\"'")) for verb in every_verb().values()} <= listed
    assert ("apply", "move the copies of a plan to the quarantine") in listed


def test_zsh_knows_the_function_after_loading_the_script(scripts: dict[str, Path]) -> None:
    zsh = shell("zsh")
    folder = scripts["zsh"].parent
    load = f"fpath=({folder} $fpath); autoload -U compinit; compinit -u -D; autoload +X _imgsearch"
    code = f"{load}; print $_comps[imgsearch]"
    assert run([zsh, "-f", "-n", str(scripts["zsh"])]) == ""
    assert run([zsh, "-f", "-c", code]).split() == ["_imgsearch"]


def test_zsh_completes_at_a_terminal(scripts: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "forest.txt").touch()
    asked = [*ASKED, (["search", "--library", f"{tmp_path}/fo"], {"folder"})]
    lines = [f"imgsearch {' '.join(words)}" for words, _ in asked]
    answer = run([shell("zsh"), "-f", "-c", ASK_ZSH, "zsh", str(scripts["zsh"].parent), *lines])
    found = [set(re.findall(r"HIT<([^>]*)>", told)) for told in answer.split("ASKED ")[1:]]
    assert found == [expected for _, expected in asked]


def test_the_manual_names_every_verb_and_option() -> None:
    text = page().replace(r"\-", "-")
    for verb in every_verb():
        assert f".SS imgsearch {verb}\n" in text
    for told in (r"\fB--threshold\fR \fIP\fR", ".SS imgsearch dedup find", "IMGSEARCH_LIBRARY", "50%"):
        assert told in text


def test_the_manual_reads_without_a_warning(tmp_path: Path) -> None:
    man = shell("man")
    path = tmp_path / "imgsearch.1"
    path.write_text(page())
    done = subprocess.run([man, "-l", "--warnings", str(path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "warning" not in done.stderr and "IMGSEARCH(1)" in done.stdout


def test_an_unknown_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "bsh"]) == 2
    assert "did you mean bash?" in capsys.readouterr().err
