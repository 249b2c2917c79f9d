"""`imgsearch job` as it is typed."""

from __future__ import annotations

import json
import os

import pytest

from imgsearch.cli.main import main


@pytest.fixture
def command(capsys, monkeypatch, jobs, tmp_path):
    """Run a command line with the inline engine; -> (exit code, standard output, standard error)."""
    from indexer.jobs import distributor

    monkeypatch.setitem(distributor.ENGINES, "local", distributor.ENGINES["inline"])

    def run(*words):
        code = main(["job", *map(str, words)])
        return (code, *capsys.readouterr())

    return run


def test_a_job_from_create_to_report(command, hostile, tmp_path, capsys):
    job = tmp_path / "job"
    code, said, _ = command("create", "--input", hostile, "--model", "none", "--output", job, "--shard-size", 6)
    assert code == 0 and "17 inputs in 3 shards" in said and f"imgsearch job run {job}" in said
    code, _, why = command("publish", job)
    assert code == 4 and "0 of 3 shards" in why and "resume" in why
    code, said, _ = command("run", job, "--quiet")
    assert code == 3 and "3 of 3 shards are committed" in said
    code, said, _ = command("publish", job, "--json")
    assert (code, json.loads(said)["images"]) == (3, 9)
    code, said, _ = command("report", job)
    assert code == 3 and "17 inputs = 9 contents + 3 known copies + 5 failed." in said
    code, said, _ = command("report", job, "--list", "failed")
    assert code == 0 and len(said.splitlines()) == 5
    assert command("report", job, "--list", "pending")[:2] == (1, "")
    found = json.loads(command("status", job, "--json")[1])
    assert (found["complete"], found["library"]) == (True, str(job / "library"))
    assert main(["verify", "--library", str(job / "library")]) == 0


def test_a_dry_run_measures_and_writes_nothing(command, hostile, tmp_path):
    before = set(tmp_path.iterdir())
    code, said, _ = command("create", "--input", hostile, "--model", "none", "--output", tmp_path / "j", "--dry-run")
    assert code == 0 and "17 inputs" in said and "Nothing was written." in said
    code, said, _ = command(
        "create", "--input", hostile, "--model", "none", "--output", tmp_path / "j", "--dry-run", "--json"
    )
    found = json.loads(said)
    assert (found["inputs"], found["sample"], found["sample_failed"]) == (17, 17, 5) and found["seconds"] >= 0
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("words", "code", "word"),
    [
        (["run", "{job}", "--shards", "4/3"], 2, "expected i/n"),
        (["run", "{job}", "--shards", "three"], 2, "expected i/n"),
        (["run", "{nothing}"], 2, "there is no job in"),
        (["status", "{nothing}"], 2, "there is no job in"),
        (["create", "--input", "{photos}", "--model", "none", "--output", "{job}"], 2, "there is a job in"),
        (["create", "--input", "{photos}", "--model", "none", "--output", "{photos}"], 2, "holds other things"),
        (["create", "--input", "{photos}", "--model", "nonesuch/model", "--output", "{nothing}"], 4, "nonesuch"),
        (["create", "--input", "{photos}", "--output", "{nothing}", "--shard-size", "0"], 2, "1 or more"),
        (["run", "{job}", "--engine", "spark"], 2, "expected one of"),
        (["merge", "{nothing}", "--output", "{nothing}2"], 2, "there is no library"),
        (["publish", "{job}", "--to", "{photos}"], 4, "is not complete"),
    ],
)
def test_wrong_words_are_named(command, hostile, tmp_path, words, code, word):
    job = tmp_path / "job"
    command("create", "--input", hostile / "00.jpg", "--model", "none", "--output", job)
    places = {"job": job, "nothing": tmp_path / "nothing", "photos": hostile}
    found, _, why = command(*[each.format(**places) for each in words])
    assert found == code and word in why and "Traceback" not in why


def test_a_newer_or_damaged_specification_is_refused(command, hostile, tmp_path):
    job = tmp_path / "job"
    command("create", "--input", hostile, "--model", "none", "--output", job)
    text = (job / "job.json").read_text()
    for wrong in (text.replace('"format": 1', '"format": 9'), text[:50], "[]", '{"format": 1}'):
        (job / "job.json").write_text(wrong)
        code, _, why = command("run", job)
        assert code == 4 and "job.json" in why


def test_the_job_of_this_folder_is_the_default(command, hostile, tmp_path, monkeypatch):
    command("create", "--input", hostile, "--model", "none", "--output", tmp_path / "job")
    monkeypatch.chdir(tmp_path / "job")
    code, said, _ = command("status")
    assert code == 0 and "17 pending" in said
    assert command("run")[0] == 3 and os.listdir("shards") == ["000000"]  # noqa: PTH208
