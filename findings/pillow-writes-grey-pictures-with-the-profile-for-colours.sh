#!/usr/bin/env bash
# Pillow writes a picture that was made grey with the ICC profile of its colours, which PNG forbids and viewers pass over.
#
# convert("L") keeps info["icc_profile"] as it was, and the writers of PNG, TIFF and AVIF take the profile from there unasked;
# those of JPEG and JPEG 2000 do not. So a scan that is stored in grey after convert says that it has three channels of
# colour, and the PNG standard (4.2, iCCP) allows a profile for grey alone there. A reader that trusts the profile fails or
# shows other greys than one that leaves it aside. Here imgsearch/media/colour/srgb.py asks a profile for which channels
# it is, and reads a grey picture with a profile for RGB as RGB, which tests/media/test_decode.py holds.
# Source: Pillow 13.0.0, as on PyPI.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    pillow==13.0.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import io
import sys

from PIL import Image, ImageCms, __version__

print("Pillow", __version__)
profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
colours = io.BytesIO()
Image.new("RGB", (16, 16), "teal").save(colours, "JPEG", icc_profile=profile)


def space(icc):
    """The channels that a profile is for."""
    return ImageCms.ImageCmsProfile(io.BytesIO(icc)).profile.xcolor_space.strip() if icc else None


found = {}
for form in ("PNG", "TIFF", "AVIF", "JPEG", "JPEG2000"):
    file = io.BytesIO()
    with Image.open(colours) as picture:
        assert (picture.mode, space(picture.info["icc_profile"])) == ("RGB", "RGB")
        picture.convert("L").save(file, form)
    with Image.open(file) as again:
        found[form] = (again.mode, space(again.info.get("icc_profile")))
    print(f"{form}: pixels {found[form][0]}, profile for {found[form][1]}")
wrong = {form for form, (mode, its) in found.items() if mode == "L" and its == "RGB"}
sys.exit(0 if wrong == {"PNG", "TIFF", "AVIF"} else "this behaves in another way now")
PYTHON
echo "as found: grey pictures with a profile for RGB"
