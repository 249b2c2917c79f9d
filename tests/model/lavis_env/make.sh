#!/usr/bin/env bash
# Makes the environment of `make test-lavis` in the folder $1: salesforce-lavis 1.0.2 beside torch 2.13. About 2 GB and two
# processor minutes. Leaves nothing behind where a package cannot be had (and says which), or where it is stopped.
set -uo pipefail
here=$(dirname "$0")
folder=$(realpath -m "$1")
[ -e "$folder/.ready" ] && exit 0
rm -rf "$folder"
trap 'rm -rf "$folder"; exit 130' INT TERM HUP
# Only the few modules that are imported get compiled, when they are.
pip() { "$folder/bin/python" -m pip install --quiet --no-compile --disable-pip-version-check "$@"; }
made() {
    "${PYTHON:-python3}" -m venv "$folder" || return 1
    pip --constraint "$here/constraints.txt" torch==2.13.0 wheel || return 1
    # Without its dependencies, whose pins do not install on Python 3.11; these are what importing its models takes.
    pip --no-deps salesforce-lavis==1.0.2 || return 1
    pip --constraint "$here/constraints.txt" transformers timm einops omegaconf iopath ftfy pandas webdataset decord \
        pycocoevalcap pycocotools scikit-image sentencepiece spacy python-magic contexttimer opendatasets torchvision || return 1
    pip 'setuptools<70' || return 1 # timm 0.4.12 and fairscale import pkg_resources; torch asks for a newer one and runs
    pip --no-deps --no-build-isolation fairscale==0.4.4 || return 1
    pip --no-deps opencv-python-headless==5.0.0.93 protobuf==3.20.3 || return 1
    # On Debian python-magic needs libmagic1, and nothing here calls it.
    (cd "$here" && "$folder/bin/python" -c 'import server') || return 1
}
if made; then
    touch "$folder/.ready"
else
    rm -rf "$folder"
    echo "the environment of salesforce-lavis 1.0.2 cannot be made here (the line above says why)" >&2
    exit 1
fi
