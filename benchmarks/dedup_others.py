"""Pairs by imagededup or imagehash, for benchmarks/dedup.py; runs in a virtual environment that has them, not ours.

    python dedup_others.py TOOL FOLDER OUT

TOOL: imagededup-phash, imagededup-dhash (their defaults), imagehash-phash, imagehash-dhash (8 x 8, within 10 bits, the
threshold that imagededup has by default; imagehash has none). OUT is JSON: pairs of file names, seconds of the clock,
files that were not read.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import types
from pathlib import Path

THRESHOLD = 10


def main() -> None:
    tool, folder, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    package, _, kind = tool.partition("-")
    started = time.perf_counter()
    pairs, unread = with_imagededup(folder, kind) if package == "imagededup" else with_imagehash(folder, kind)
    seconds = time.perf_counter() - started
    found = {"pairs": pairs, "seconds": seconds, "unread": unread}
    out.write_text(json.dumps(found), encoding="utf-8")


def with_imagededup(folder: Path, kind: str) -> tuple[list[tuple[str, str]], int]:
    # Its package imports networks that need torch and torchvision; hashing does not.
    for name, wanted in (("imagededup.methods.cnn", "CNN"), ("imagededup.utils.models", "CustomModel")):
        network = types.ModuleType(name)
        setattr(network, wanted, None)
        sys.modules[name] = network
    logging.disable(logging.CRITICAL)
    from imagededup.methods import DHash, PHash

    method = {"phash": PHash, "dhash": DHash}[kind](verbose=False)
    hashes = method.encode_images(image_dir=str(folder))
    found = method.find_duplicates(encoding_map=hashes)
    pairs = {tuple(sorted((name, other))) for name, others in found.items() for other in others}
    return sorted(pairs), sum(path.is_file() for path in folder.iterdir()) - len(hashes)


def with_imagehash(folder: Path, kind: str) -> tuple[list[tuple[str, str]], int]:
    import imagehash
    import numpy as np
    from PIL import Image

    hash_of = {"phash": imagehash.phash, "dhash": imagehash.dhash}[kind]
    names, bits, unread = [], [], 0
    for path in sorted(folder.iterdir()):
        try:
            with Image.open(path) as image:
                bits.append(hash_of(image).hash.reshape(-1))
            names.append(path.name)
        except Exception:  # noqa: BLE001  whatever it is, the tool does not read it
            unread += 1
    rows = np.array(bits, np.float32)
    pairs = []
    for at in range(0, len(rows), 2000):
        block = rows[at : at + 2000]
        distance = block.sum(1)[:, None] + rows.sum(1)[None, :] - 2 * block @ rows.T
        first, second = np.nonzero(distance <= THRESHOLD + 0.5)
        pairs += [(names[at + i], names[j]) for i, j in zip(first, second, strict=True) if at + i < j]
    return pairs, unread


if __name__ == "__main__":
    main()
