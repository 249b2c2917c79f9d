#!/usr/bin/env bash
# webdataset makes one sample of two pictures whose names begin alike up to the first dot, and gives neither of them as "jpg".
#
# A member's name is its key up to the first dot of the file name, and all behind it is the type: 2024.01.02.jpg and
# 2024.05.06.jpg are the key 2024 with the types 01.02.jpg and 05.06.jpg. Both decode to pictures, but who asks the sample
# for its jpg gets nothing; a data set of scans or screenshots that are named by dates, versions or times shrinks without an
# error. Members 1.5x.jpg, v2.final.png are alike. Here indexer/jobs/inputs/archives.py takes every member for an input
# of its own and counts it, which tests/indexer/jobs/test_inputs.py holds.
# Source: webdataset 1.0.2 and Pillow 13.0.0, as on PyPI.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    webdataset==1.0.2 pillow==13.0.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import io
import sys
import tarfile
from importlib.metadata import version

import webdataset
from PIL import Image

print("webdataset", version("webdataset"))
names = ("2023-07.jpg", "2024.01.02.jpg", "2024.05.06.jpg")
with tarfile.open("pictures.tar", "w") as archive:
    for number, name in enumerate(names):
        file = io.BytesIO()
        Image.new("RGB", (8, 8), (80 * number, 0, 0)).save(file, "JPEG")
        member = tarfile.TarInfo(name)
        member.size = file.tell()
        file.seek(0)
        archive.addfile(member, file)
with tarfile.open("pictures.tar") as archive:  # another reader: three members, three pictures
    assert [member.name for member in archive if Image.open(archive.extractfile(member)).size == (8, 8)] == list(names)
samples = list(webdataset.WebDataset("pictures.tar", shardshuffle=False).decode("pil"))
found = {}
for sample in samples:
    found[sample["__key__"]] = sorted(kind for kind in sample if not kind.startswith("__"))
    print(f"sample {sample['__key__']!r} with {found[sample['__key__']]}")
pictures = [sample["jpg"] for sample in samples if "jpg" in sample]
print(f"{len(names)} pictures, {len(samples)} samples, {len(pictures)} with a jpg")
as_found = found == {"2023-07": ["jpg"], "2024": ["01.02.jpg", "05.06.jpg"]}
sys.exit(0 if as_found else "this behaves in another way now")
PYTHON
echo "as found: three pictures, two samples, one jpg"
