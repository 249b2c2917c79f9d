"""What a job takes as input, and that nothing of it gets lost on the way into the ledger."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from imgsearch.errors import UsageError
from imgsearch.settings import Settings
from imgsearch.storage import open_store
from indexer.index_run import IndexRequest, run_index
from indexer.jobs.ledger import read_list
from indexer.jobs.report import named


def rows(spec):
    return [row for shard in spec.shards for row in read_list(spec, shard)]


def kinds(spec):
    return [row.kind for row in rows(spec)]


@pytest.fixture
def listed(hostile):
    """Paths of a manifest: two good ones, one twice, one missing, one no text, one that is a folder."""
    strange = next(path for path in hostile.iterdir() if "l\udce4" in path.name)
    return [
        hostile / "00.jpg",
        hostile / "01.png",
        hostile / "00.jpg",
        hostile / "missing.jpg",
        strange,
        hostile / "sub",
    ]


FATES = ["file", "file", "again", "file", "file", "lost"]


def written(folder: Path, kind: str, paths) -> Path:
    raw = [os.fsencode(path) for path in paths]
    target = folder / f"list.{kind.removesuffix('0')}"
    if kind == "txt":
        target.write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(raw) + b"\r\n\r\n")
    elif kind == "txt0":
        target.write_bytes(b"\0".join(raw) + b"\0")
    elif kind == "csv":
        target.write_bytes(b"caption,Image\n" + b"".join(b'"a, b",' + path + b"\n" for path in raw))
    elif kind == "tsv":
        target.write_bytes(b"path\tn\n" + b"".join(path + b"\t1\n" for path in raw))
    elif kind == "jsonl":
        target.write_bytes(b"".join(b'{"path": "%b"}\n' % path for path in raw))
    else:
        import pyarrow
        from pyarrow import parquet

        table = pyarrow.table({"n": range(len(raw)), "file": pyarrow.array(raw)})
        parquet.write_table(table, target, write_page_checksum=True, use_dictionary=False)
    return target


@pytest.mark.parametrize("kind", ["txt", "txt0", "csv", "tsv", "jsonl", "parquet"])
def test_a_manifest_of_every_kind_is_read(jobs, tmp_path, listed, kind):
    spec = jobs.create(written(tmp_path, kind, listed))
    assert kinds(spec) == FATES
    assert [row.name(spec.roots) for row in rows(spec)] == [str(path) for path in listed]
    ran = jobs.run(spec)
    assert (ran.sums.embedded, ran.sums.copies, ran.sums.failed) == (3, 1, 2)
    assert sum(1 for _ in named(spec, "failed")) == 2


def test_paths_are_relative_to_the_manifest(jobs, hostile, tmp_path):
    (tmp_path / "list.txt").write_text(os.path.relpath(hostile / "00.jpg", tmp_path) + "\n./gone.png\n")
    spec = jobs.create(tmp_path / "list.txt")
    assert rows(spec)[0].name(spec.roots) == str(hostile / "00.jpg")
    assert rows(spec)[1].name(spec.roots) == str(tmp_path / "gone.png")


def test_lines_that_name_nothing_are_failures(jobs, hostile, tmp_path):
    lines = [json.dumps(str(hostile / "00.jpg")), "{", '{"url": 3}', '["a"]', '"https://example.org/a.jpg"', "7"]
    (tmp_path / "list.jsonl").write_text("\n".join(lines))
    spec = jobs.create(tmp_path / "list.jsonl")
    assert kinds(spec) == ["file"] + ["lost"] * 5
    failed = list(named(jobs.run(spec).spec, "failed"))
    assert "line 2" in failed[0] and "no JSON" in failed[0] and "https://" in failed[3]


def test_a_stray_nul_costs_its_own_line(jobs, hostile, tmp_path):
    (tmp_path / "list.txt").write_bytes(b"\n".join([os.fsencode(hostile / "00.jpg"), b"a\0b.jpg", b"gone.jpg", b""]))
    spec = jobs.create(tmp_path / "list.txt")
    assert len(rows(spec)) == 3 and jobs.run(spec).sums.failed == 2
    (tmp_path / "list.txt").write_bytes(os.fsencode(hostile / "00.jpg") + b"\0with\na line.jpg\0")
    assert len(rows(jobs.create(tmp_path / "list.txt", name="other"))) == 2


@pytest.mark.parametrize("where", ["end", "middle"])
def test_a_damaged_parquet_file_is_refused_as_a_whole(jobs, tmp_path, listed, where):
    path = written(tmp_path, "parquet", listed * 50)
    data = bytearray(path.read_bytes())
    if where == "end":
        data = data[:-30]
    else:
        at = len(data) // 2
        data[at : at + 40] = b"\xff" * 40
    path.write_bytes(data)
    with pytest.raises(UsageError, match="damaged"):
        jobs.create(path)
    assert not (jobs.folder / "job" / "job.json").exists()


@pytest.mark.parametrize("text", ["", "caption\nx\n"])
def test_a_table_without_paths_is_refused(jobs, tmp_path, text):
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(UsageError, match="column"):
        jobs.create(tmp_path / "list.csv")


def test_a_column_can_be_named(jobs, tmp_path, hostile):
    (tmp_path / "list.csv").write_text(f"path;där\nx;{hostile}/00.jpg\n")
    spec = jobs.create(tmp_path / "list.csv", column="där")
    assert rows(spec)[0].name(spec.roots) == str(hostile / "00.jpg")


def make_tar(path: Path, members, **more) -> Path:
    with tarfile.open(path, "w", **more) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1_600_000_000
            archive.addfile(info, io.BytesIO(data))
    return path


@pytest.fixture
def members(hostile):
    names = ["00.jpg", "01.png", "02.jpg", "02-cut.jpg", "03.png"]
    return [(name, (hostile / name).read_bytes()) for name in names]


def test_members_of_archives_are_embedded(jobs, tmp_path, members):
    shards = tmp_path / "shards"
    shards.mkdir()
    make_tar(shards / "0.tar", [*members, ("0.json", b"{}"), ("0.txt", b"a caption")])
    long = "x/" * 90 + "y.png"  # needs an extended header
    make_tar(shards / "1.tar", [("00.jpg", members[0][1]), (long, members[4][1])], format=tarfile.PAX_FORMAT)
    spec = jobs.create(shards / "*.tar")
    assert kinds(spec) == ["member"] * 7
    assert jobs.run(spec).sums.failed == 1
    made = jobs.publish(spec)
    with open_store(made.folder) as store:
        (root,) = store.roots()
        held = {state.relative_path: state.mtime_ns for state in store.files(root.root_id)}
        assert root.path == shards and store.stats().images == 4
    assert set(held) == {
        "0.tar/00.jpg",
        "0.tar/01.png",
        "0.tar/02.jpg",
        "0.tar/03.png",
        "1.tar/00.jpg",
        f"1.tar/{long}",
    }
    assert set(held.values()) == {1_600_000_000 * 10**9}
    index = IndexRequest((), Settings(made.folder, workers=1))
    (shards / "new.png").write_bytes(members[1][1])
    assert (run_index(index).removed, run_index(index).unchanged) == (0, 1)
    (shards / "1.tar").unlink()
    assert run_index(index).removed == 2


def test_a_truncated_archive_is_noticed_wherever_it_ends(jobs, tmp_path, members):
    whole = make_tar(tmp_path / "whole.tar", members).read_bytes()
    with tarfile.open(tmp_path / "whole.tar") as archive:
        ends = [member.offset_data + -(-member.size // 512) * 512 for member in archive.getmembers()]
    for end in [
        1,
        300,
        512,
        700,
        ends[0],
        ends[1] + 100,
        ends[1] + 512,
        ends[2],
        ends[-1] - 600,
        ends[-1],
        ends[-1] + 9,
    ]:
        (tmp_path / "cut.tar").write_bytes(whole[:end])
        spec = jobs.create(tmp_path / "cut.tar", name=f"cut-{end}")
        good = sum(at <= end for at in ends)
        sums = jobs.run(spec).sums
        failed = list(named(spec, "failed"))
        bad_contents = good >= 4  # 02-cut.jpg
        assert sums.embedded == good - bad_contents
        assert [line for line in failed if "cut off" in line or "damaged" in line], end
        assert sums.embedded + sums.failed == spec.count


def test_damage_inside_an_archive_is_noticed(jobs, tmp_path, members):
    data = bytearray(make_tar(tmp_path / "a.tar", members).read_bytes())
    with tarfile.open(tmp_path / "a.tar") as archive:
        at = archive.getmembers()[2].offset
    data[at : at + 8] = b"\xff" * 8
    (tmp_path / "a.tar").write_bytes(data)
    spec = jobs.create(tmp_path / "a.tar")
    assert kinds(spec) == ["member", "member", "lost"]
    assert "after 2 members" in rows(spec)[2].reason


def test_an_archive_that_changed_since_fails_by_name(jobs, tmp_path, members):
    path = make_tar(tmp_path / "a.tar", members)
    spec = jobs.create(path)
    make_tar(path, members[::-1])
    os.utime(path, (1, 1))
    assert jobs.run(spec).sums.failed == 5
    assert all("has changed" in line for line in named(spec, "failed"))


def test_a_second_archive_behind_the_first_is_noticed(jobs, tmp_path, members):
    path = make_tar(tmp_path / "a.tar", members[:1])
    path.write_bytes(path.read_bytes() + make_tar(tmp_path / "b.tar", members[1:2]).read_bytes())
    spec = jobs.create(path)
    assert kinds(spec) == ["member", "lost"] and "second archive" in rows(spec)[1].reason


def test_names_of_members_stay_below_the_archive(jobs, tmp_path, members):
    data = members[0][1]
    names = ["../../etc/passwd.jpg", "/etc/x.jpg", "./a.jpg", "a.jpg", "a.jpg", os.fsdecode(b"\xff.jpg")]
    spec = jobs.create(make_tar(tmp_path / "a.tar", [(name, data) for name in names]))
    found = [row.path for row in rows(spec)]
    below = ["etc/passwd.jpg", "etc/x.jpg", "a.jpg", "a.jpg (2)", "a.jpg (3)", "\udcff.jpg"]
    assert found == [f"a.tar/{name}" for name in below]
    jobs.run(spec)
    assert jobs.report(spec).fates["copy"] == 5


@pytest.mark.parametrize("magic", [b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"PK\x03\x04"])
def test_a_compressed_archive_is_refused(jobs, tmp_path, magic):
    (tmp_path / "a.tar").write_bytes(magic + bytes(600))
    with pytest.raises(UsageError, match="compressed"):
        jobs.create(tmp_path / "a.tar")


def test_a_missing_archive_of_a_range_is_a_failure(jobs, tmp_path, members):
    for number in (8, 10):
        make_tar(tmp_path / f"s{number:03d}.tar", members[:1])
    spec = jobs.create(tmp_path / "s{008..010}.tar")
    assert kinds(spec) == ["member", "lost", "member"] and "does not exist" in rows(spec)[1].reason


def test_inputs_that_overlap_count_once(jobs, hostile):
    spec = jobs.create(hostile, hostile / "sub", hostile / "00.jpg")
    assert kinds(spec).count("again") == 5 and spec.count == 17 + 5
    jobs.run(spec)
    assert jobs.report(spec).fates == {"embedded": 9, "copy": 8, "failed": 5}
    sums = jobs.publish(spec).sums
    assert (sums.inputs, sums.embedded, sums.copies, sums.failed) == (22, 9, 8, 5)


@pytest.mark.parametrize("word", ["nothing-here", "nothing-*.tar"])
def test_an_input_that_is_not_there_is_refused(jobs, word):
    with pytest.raises(UsageError, match="is not there"):
        jobs.create(jobs.folder / word)


def test_an_empty_input_is_refused(jobs, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="holds no picture"):
        jobs.create(tmp_path / "empty")
    (tmp_path / "list.txt").write_text("\n\n")
    with pytest.raises(UsageError, match="holds no picture"):
        jobs.create(tmp_path / "list.txt")
