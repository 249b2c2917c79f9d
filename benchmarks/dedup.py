"""Copies found, by kind of alteration, beside imagededup and imagehash; time and memory.

    python benchmarks/dedup.py --venv DIR [--only quality|speed|notcopies] [--pictures DIR ...] [--files 10000 50000]

The others run as programs of a virtual environment of their own (DIR; made where it is not there, with pip): imagededup
without what its network needs, which hashing does not use.

Quality: pictures (photographs of --pictures, or $IMGSEARCH_SHARED/photos/images, and drawn scenes) each with altered
copies drawn at random, and look-alikes that are no copies. A copy of a family is found when it is paired with its
original; a false pair of a family is one of its copies with a file of another picture. F1 of both. "acted on" is what a
plan would move: same bytes, same pixels, and perceptual pairs that were confirmed; "with near" adds near copies.
Speed: drawn scenes, every fifth an original and four copies of it, from files to pairs. Ours indexes the files too
(decodes, embeds by the small model, stores), the others only hash. Memory is the largest sum over a program and its
children, pages that they share counted once (Linux).
Not copies: dedup_notcopies.py.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import venv
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

import dedup_notcopies
from processes import Timed, timed
from results import add_flags, markdown_table, write_section, writes

from imgsearch.scenes.copies import CopyTruth, write_copies, write_truth
from imgsearch.scenes.dataset import make_set
from imgsearch.scenes.draw import draw_scene
from imgsearch.scenes.look_alikes import write_look_alikes

OTHERS = ("imagededup-phash", "imagededup-dhash", "imagehash-phash", "imagehash-dhash")
SEED = 4711
TIMED = {
    "ours, as it is for folders": "bytes,pixels,perceptual",
    "ours, with near copies": "bytes,pixels,perceptual,near",
}
SPEED_NOTE = (
    "Ours from files to the plan, every copy that would be moved looked at in full size; the others give pairs of "
    "hashes. Drawn scenes of 224 px, a fifth of them originals with four copies each; JPEGs of 12 megapixels. The "
    "others' seconds are without the start of their program, CPU s with it."
)
Pair = tuple[str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venv", type=Path, help="virtual environment with imagededup and imagehash (a new one)")
    parser.add_argument("--pictures", type=Path, nargs="*", help="folders of photographs")
    parser.add_argument("--copies", type=int, default=12, help="copies a picture (default 12)")
    parser.add_argument("--files", type=int, nargs="*", default=[10_000, 50_000], help="sizes for time and memory")
    parser.add_argument("--folders", type=Path, nargs="*", default=[], help="time these folders in place of drawn ones")
    parser.add_argument("--repeats", type=int, default=1, help="times each is timed; the median counts (default 1)")
    parser.add_argument("--tools", nargs="*", default=OTHERS[:1], choices=OTHERS, help="others that are timed")
    parser.add_argument("--only", choices=("quality", "speed", "notcopies"), help="one of the parts")
    parser.add_argument("--sets", type=int, default=3, help="sets of every family that are no copies (default 3)")
    parser.add_argument("--families", nargs="*", default=[], help="of the parts, only these families (notcopies)")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    add_flags(parser)
    arguments = parser.parse_args()
    if arguments.worker:
        find_ours(*map(Path, arguments.worker))
        return
    if arguments.quick:
        arguments.files = [300]
    with tempfile.TemporaryDirectory() as scratch:
        wrong = False
        if arguments.only in (None, "notcopies"):
            sets = 1 if arguments.quick else arguments.sets
            lines, wrong = dedup_notcopies.measure(Path(scratch), photographs(arguments), sets, arguments.families)
            show(lines, "Files that are no copies (benchmarks/dedup.py)", arguments)
        if arguments.only == "notcopies":
            sys.exit(int(wrong))
        python = ready_venv(arguments.venv or Path(scratch) / "venv")
        if arguments.only != "speed":
            lines = measure_quality(Path(scratch), python, photographs(arguments), arguments.copies, arguments.quick)
            show(lines, "Copies found beside other tools (benchmarks/dedup.py)", arguments)
        if arguments.only != "quality":
            lines = measure_speed(Path(scratch), python, arguments)
            show(lines, "Time and memory to find copies beside other tools (benchmarks/dedup.py)", arguments)
    sys.exit(int(wrong))


def show(lines: Sequence[str], title: str, arguments: argparse.Namespace) -> None:
    print("\n".join(lines), flush=True)
    if writes(arguments):
        write_section(title, lines)


def ready_venv(folder: Path) -> Path:
    """The environment's Python; made and filled where it is not there."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        pip = [str(python), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "imagehash", "tqdm", "matplotlib", "scikit-learn"], check=True)
        subprocess.run([*pip, "--no-deps", "imagededup"], check=True)
    return python


def photographs(arguments: argparse.Namespace) -> list[Path]:
    folders = arguments.pictures or [Path(os.environ.get("IMGSEARCH_SHARED", "/nowhere")) / "photos" / "images"]
    found = [path for folder in folders if folder.is_dir() for path in sorted(folder.iterdir()) if path.is_file()]
    return found[:6] if arguments.quick else found


def measure_quality(scratch: Path, python: Path, photos: list[Path], copies: int, quick: bool) -> list[str]:
    folder = scratch / "quality"
    scenes = draw_originals(scratch / "scenes", 6 if quick else 60)
    truth = write_copies([*photos, *scenes], folder, SEED, each=copies)
    truth += write_look_alikes(folder, SEED, 1 if quick else 6)
    write_truth(truth, scratch)
    (folder / "truth.jsonl").unlink()
    ours = run_ours(scratch, folder)
    found = {"acted on": pairs_of(ours["acted on"]), "with near": pairs_of(ours["near"]) | pairs_of(ours["acted on"])}
    for tool in OTHERS:
        found[tool] = pairs_of(run_other(python, tool, folder, scratch)["pairs"])
    return quality_tables(truth, found, len(photos), len(scenes))


def draw_originals(folder: Path, count: int, size: int = 320) -> list[Path]:
    folder.mkdir()
    paths = [folder / f"{number:05d}.png" for number in range(count)]
    for path, row in zip(paths, make_set(count, SEED), strict=True):
        draw_scene(row.scene, size)[0].save(path)
    return paths


def quality_tables(truth: list[CopyTruth], found: dict[str, set[Pair]], photos: int, scenes: int) -> list[str]:
    source = {row.path: row.source for row in truth}
    false = {tool: [pair for pair in pairs if source[pair[0]] != source[pair[1]]] for tool, pairs in found.items()}
    families: dict[str, list[CopyTruth]] = defaultdict(list)
    alike: dict[str, list[CopyTruth]] = defaultdict(list)
    for row in truth:
        if row.tier:
            families[f"{row.family} ({row.tier})"].append(row)
        elif row.path == row.source and row.path.startswith("alike-"):
            alike[row.family].append(row)
    rows: list[list[object]] = [[name, len(members)] for name, members in sorted(families.items())]
    for row in rows:
        row += [f1(families[str(row[0])], pairs, false[tool]) for tool, pairs in found.items()]
    totals: list[list[object]] = []
    for tool, pairs in found.items():
        true = len(pairs) - len(false[tool])
        totals.append([tool, len(pairs), len(false[tool]), round(true / max(1, len(pairs)), 4)])
    wrong: list[list[object]] = [[name, len(members)] for name, members in alike.items()]
    for row in wrong:
        names = {member.path for member in alike[str(row[0])]}
        row += [sum(a in names or b in names for a, b in false[tool]) for tool in found]
    return [
        f"{photos} photographs and {scenes} drawn scenes with copies, and {sum(map(len, alike.values()))} look-alikes. "
        "F1 by family:",
        "",
        *markdown_table(["family (tier by design)", "copies", *found], rows),
        "",
        "All pairs, copies with copies too:",
        "",
        *markdown_table(["tool", "pairs", "of two pictures", "precision"], totals),
        "",
        "False pairs with a look-alike:",
        "",
        *markdown_table(["look-alikes", "pictures", *found], wrong),
    ]


def f1(members: list[CopyTruth], pairs: set[Pair], false: list[Pair]) -> float:
    names = {row.path for row in members}
    hits = sum((min(row.path, row.source), max(row.path, row.source)) in pairs for row in members)
    wrong = sum(a in names or b in names for a, b in false)
    return 2 * hits / (hits + len(members) + wrong)


def pairs_of(listed: Iterable[Sequence[str]]) -> set[Pair]:
    return {(min(a, b), max(a, b)) for a, b in listed}


def run_other(python: Path, tool: str, folder: Path, scratch: Path) -> dict[str, object]:
    out = scratch / "other.json"
    program = Path(__file__).with_name("dedup_others.py")
    run = timed([str(python), str(program), tool, str(folder), str(out)])
    found: dict[str, object] = json.loads(out.read_text(encoding="utf-8"))
    return found | {"cpu_seconds": run.cpu_seconds, "peak_mb": run.peak_mb}


def run_ours(scratch: Path, folder: Path, tiers: str = "bytes,pixels,perceptual,near") -> dict[str, object]:
    """Index ``folder`` and look for copies."""
    library, out = scratch / f"library-{folder.name}", scratch / "ours.json"
    index = [sys.executable, "-m", "imgsearch", "index", str(folder), "--library", str(library), "--model", "mini"]
    timed([*index, "--quiet"])
    timed([sys.executable, __file__, "--worker", str(library), str(out), tiers])
    found: dict[str, object] = json.loads(out.read_text(encoding="utf-8"))
    return found


def find_ours(library: Path, out: Path, tiers: Path) -> None:
    """In a process of its own: pairs by file name, those of tier perceptual confirmed as a plan's are."""
    from imgsearch.dedup.evidence.records import ACTED_ON
    from imgsearch.dedup.find import compare
    from imgsearch.dedup.groups.grouping import Grouping, copies_of, read_pairs
    from imgsearch.dedup.groups.keep import parse_keep
    from imgsearch.dedup.tiers.confirmation import Look
    from imgsearch.storage import open_store

    wanted = str(tiers).split(",")
    with open_store(library) as store, store.evidence() as evidence:
        compare(store, evidence, wanted, lambda *_: None)
        files = store.copies(store.inventory().image_ids.tolist())
        names = {image_id: [Path(file.path).name for file in held] for image_id, held in files.items()}
        acted = [(a, b) for held in names.values() for a in held for b in held if a < b]
        grouping = Grouping(store, evidence, wanted, ACTED_ON, parse_keep())
        ones = {image_id: copies[0] for image_id, copies in copies_of(store, list(files)).items()}
        alike = list(read_pairs(evidence, ["perceptual"]))
        looks = [Look(ones[pair.first], ones[pair.second], pair.evidence.orientation) for pair in alike]
        grouping.look(looks, lambda _: None, lambda *_: None)
        refuted = {look.key for look in looks if not grouping.judged[look.key].is_copy}
        near: list[Pair] = []
        for tier, into in (("pixels", acted), ("perceptual", acted), ("near", near)):
            for pair in read_pairs(evidence, [tier]):
                if tier != "perceptual" or (pair.first, pair.second) not in refuted:
                    into += [(a, b) for a in names[pair.first] for b in names[pair.second]]
    out.write_text(json.dumps({"acted on": acted, "near": near}), encoding="utf-8")


def measure_speed(scratch: Path, python: Path, arguments: argparse.Namespace) -> list[str]:
    rows: list[list[object]] = []
    folders = list(arguments.folders)
    for count in [] if folders else arguments.files:
        folders.append(scratch / f"speed-{count}")
        write_many(folders[-1], scratch / f"drawn-{count}", count)
    for folder in folders:
        count = sum(path.is_file() for path in folder.rglob("*"))
        runs: dict[str, list[Timed]] = defaultdict(list)
        for _ in range(arguments.repeats):
            for name, tiers in TIMED.items():
                runs[name].append(run_find(folder, tiers))
            for tool in arguments.tools:
                found = run_other(python, tool, folder, scratch)
                runs[tool].append(Timed(*(float(str(found[name])) for name in Timed._fields)))
        for name, measured in runs.items():
            seconds, cpu_seconds, peak_mb = (median(values) for values in zip(*measured, strict=True))
            rows.append([count, folder.name, name, round(seconds, 1), round(cpu_seconds, 1), round(peak_mb)])
            print("\t".join(map(str, rows[-1])), flush=True)
    lines = markdown_table(["files", "folder", "what", "seconds", "CPU s", "peak MB"], rows)
    return [*lines, "", f"Medians of {arguments.repeats}. {SPEED_NOTE}"]


def run_find(folder: Path, tiers: str) -> Timed:
    """`imgsearch dedup find` from files to plan, in a home of its own."""
    with tempfile.TemporaryDirectory() as home:
        names = ("HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")
        variables = [f"{name}={home}/{name.lower()}" for name in names]
        command = [sys.executable, "-m", "imgsearch", "dedup", "find", str(folder), "--tiers", tiers, "--quiet"]
        return timed(["env", *variables, *command, "--model", "none"])


def write_many(folder: Path, drawn: Path, count: int) -> None:
    """``count`` files: scenes and four copies of each by cheap alterations."""
    from imgsearch.scenes.alterations import alterations

    originals = draw_originals(drawn, count // 5, 224)
    cheap = [way for way in alterations() if way.family in ("jpeg", "resize", "turn", "brightness")]
    rng = random.Random(SEED)
    write_copies(originals, folder, rng.getrandbits(16), chosen=cheap, each=3)
    for path in [folder / "truth.jsonl", *drawn.iterdir()]:
        path.unlink()


if __name__ == "__main__":
    main()
