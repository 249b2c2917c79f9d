#!/usr/bin/env bash
# pathspec ignores no file by a pattern with a class such as [[:upper:]], by which git ignores files.
#
# The classes of POSIX are part of what git reads in .gitignore; pathspec's GitIgnoreSpec, made to be like git, takes the brackets
# for a set of the letters and colons, which is a valid pattern of another meaning, so that nothing fails. A curator who
# keeps a rule for the names of cameras (IMG_1.jpg, not img_1.jpg) gets files in the data set that git leaves out. Here
# imgsearch/media/walking/wildmatch.py reads the patterns itself, and tests/media/walking/test_ignore.py holds it to
# the git program on drawn patterns.
# Source: pathspec 1.1.1, as on PyPI; git 2.39.5 says what is right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    pathspec==1.1.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import subprocess
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

from pathspec import GitIgnoreSpec

warnings.simplefilter("ignore")  # of Python's own, of a set in a set
git = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True).stdout.strip()
print("pathspec", version("pathspec"), "-", git)
names = ["IMG_1.jpg", "img_1.jpg", "7.jpg", "a b.jpg", "scans/IMG_2.jpg"]
subprocess.run(["git", "init", "--quiet", "repository"], check=True)


def by_git(line):
    Path("repository/.gitignore").write_text(line + "\n")
    command = ["git", "-C", "repository", "check-ignore", "--no-index", "--stdin"]
    return set(subprocess.run(command, input="\n".join(names), capture_output=True, text=True).stdout.splitlines())


as_found = True
for line in ("IMG_*.jpg", "[A-Z]*.jpg", "[[:upper:]]*.jpg", "[[:digit:]].jpg", "*[[:space:]]*"):
    right, found = by_git(line), set(GitIgnoreSpec.from_lines([line]).match_files(names))
    print(f"{line}: git ignores {sorted(right)}, pathspec {sorted(found)}")
    as_found &= bool(right) and found == (set() if "[:" in line else right)
sys.exit(0 if as_found else "this behaves in another way now")
PYTHON
echo "as found: three patterns ignore nothing"
