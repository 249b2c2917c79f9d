"""The base install: no torch, no watchfiles, no Flask, no faiss. Their absence is simulated in fresh processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

LAVIS = Path(__file__).parent / "golden" / "lavis" / "blip2_tiny.pth"

_ABSENT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
        return None

sys.meta_path.insert(0, Absent())
"""
BASE_LACKS = (
    *("torch", "transformers", "safetensors", "watchfiles", "flask", "werkzeug", "waitress", "prometheus_client"),
    *("faiss", "rawpy", "imagecodecs", "pillow_jxl", "openjpeg", "psd_tools", "pyarrow", "bitsandbytes"),
    *("rapidocr", "onnxruntime", "qdrant_client", "qdrant_edge", "ray", "pandas", "openvino", "nncf"),
)

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs the command as after `pip install imgsearch`, in processes of its own; ``code`` runs Python instead."""
    folder = tmp_path_factory.mktemp("base")
    (folder / "sitecustomize.py").write_text(_ABSENT.format(absent=BASE_LACKS))
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    environment["IMGSEARCH_LIBRARY"] = str(folder / "library")
    environment["XDG_CACHE_HOME"] = str(folder / "cache")

    def run(*arguments: object, code: str = "", stdin: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *(["-c", code] if code else ["-m", "imgsearch", *map(str, arguments)])]
        return subprocess.run(
            command, env=environment, cwd=folder, capture_output=True, text=True, timeout=120, input=stdin
        )

    return run


@pytest.fixture(scope="module")
def library(base: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six drawn scenes, indexed without torch."""
    pictures = tmp_path_factory.mktemp("pictures")
    assert base("scenes", pictures, "--count", "6").returncode == 0
    done = base("index", pictures, "--model", "mini", "--device", "cpu", "--workers", "1")
    assert done.returncode == 0, done.stderr
    return pictures


def test_absence_is_simulated(base: Run) -> None:
    done = base(code="import torch")
    assert done.returncode == 1 and "No module named 'torch'" in done.stderr


def test_base_install_searches_what_it_indexed(base: Run, library: Path) -> None:
    done = base("search", "a red boat", "--all", "--json", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["hits"]) == 6


def test_base_install_takes_auto_for_the_cpu(base: Run, library: Path) -> None:
    code = "from imgsearch.model.checkpoints import identity; identity._nvidia_driver = lambda: True\n"
    code += "from imgsearch.model import model_id_of; print(model_id_of('mini').dtype)"
    assert base(code=code).stdout == "float32\n"


def test_base_install_encodes_more_than_torch_is_worth(base: Run) -> None:
    code = """
from imgsearch.app import open_model
from imgsearch.settings import load_settings
print(open_model(load_settings({"model": "mini", "device": "cpu"})).profile.runtime)
"""
    done = base(code=code)
    assert done.stdout == "numpy\n", done.stderr


def test_models_say_what_the_base_install_runs(base: Run) -> None:
    assert "float32, NumPy; about" in base("models").stdout


MISSING: tuple[tuple[list[object], str, str], ...] = (
    (["search", "a boat", "--device", "cpu", "--model", LAVIS], "torch", "torch"),
    (["search", "a boat", "--device", "cuda"], "the device cuda needs torch", "torch"),
    (["index", "PICTURES", "--library", "other", "--model", LAVIS, "--device", "cpu"], "needs torch", "torch"),
    (["index", "PICTURES", "--library", "int8", "--model", "mini", "--dtype", "int8"], "needs openvino", "openvino"),
    (["index", "PICTURES", "--watch"], "watching folders (--watch) needs watchfiles", "watch"),
    (["train", "--mini", "out"], "training needs torch", "train"),
    (["serve"], "serve needs flask", "web"),
    (["caption", "PICTURES/ONE", "--model", "mini"], "needs torch", "torch"),
    (["read", "PICTURES/ONE"], "reading the words in pictures needs", "ocr"),
    (["build"], "needs faiss", "cpu"),
    (["build", "--qdrant", "http://localhost:1"], "a Qdrant server needs qdrant_client", "qdrant"),
    (["build", "--qdrant", "edge:EDGE"], "in a folder (edge:) needs qdrant_edge", "qdrant-edge"),
)
_EACH = """
import contextlib, io, json, sys, traceback
from imgsearch.cli.main import main

for arguments in json.loads(sys.stdin.read()):
    told = io.StringIO()
    with contextlib.redirect_stderr(told), contextlib.redirect_stdout(io.StringIO()):
        try:
            code = main(arguments)
        except SystemExit as ended:
            code = ended.code
        except BaseException:
            code = traceback.print_exc()
    print(json.dumps([code, told.getvalue()]), flush=True)
"""


@pytest.fixture(scope="module")
def told(base: Run, library: Path) -> list[tuple[int, str]]:
    """Exit code and stderr of each of `MISSING`, one after the other in one process: none leaves a package behind."""
    files = sorted(path for path in library.rglob("*.*") if path.suffix in (".png", ".jpg"))
    named = {"PICTURES": library, "PICTURES/ONE": files[0]}
    typed = [[str(named.get(str(one), one)) for one in arguments] for arguments, _, _ in MISSING]
    done = base(code=_EACH, stdin=json.dumps(typed))
    assert done.returncode == 0, done.stderr
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("place", range(len(MISSING)), ids=[" ".join(map(str, one[0][:2])) for one in MISSING])
def test_missing_extra_is_told_with_the_command(told: list[tuple[int, str]], place: int) -> None:
    (code, err), (_, message, extra) = told[place], MISSING[place]
    assert code in (2, 4) and "Traceback" not in err, err
    assert message in err and f"pip install 'imgsearch[{extra}]'" in err
    assert len(err.strip().splitlines()) <= 4
