"""What a run does to a library, for every kind of change. The oracle is the disk itself: its files and their hashes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imgsearch.errors import LibraryBusy, ModelMismatch, ModelUnavailable, StorageFull, UsageError
from imgsearch.storage import open_store, verify, writing

LAVIS = Path(__file__).parents[1] / "golden" / "lavis"


def scene(desk: Any, number: int) -> Path:
    path: Path = desk.photos / f"scene{number:02d}.png"
    return path


def test_index_stores_what_the_model_gives_for_every_picture(desk: Any, tiny: Any) -> None:
    from imgsearch.media.decode import decode_file

    summary = desk.index(batch_size=5)
    assert (summary.seen, summary.new, summary.embedded, summary.images, summary.exit_code) == (12, 12, 12, 12, 0)
    assert desk.rows() == desk.files()
    assert max(desk.embedded) <= 5
    with open_store(desk.library) as store:
        view = store.view()
        paths = store.paths(view.image_ids.tolist())
        for slot, image_id in zip(view.live_slots, view.image_ids, strict=True):
            pixels = decode_file(paths[int(image_id)], tiny.image_size).pixels
            alone = np.asarray(tiny.embed_images(tiny.preprocess_arrays(pixels[None])))[0]
            np.testing.assert_allclose(view.read(np.array([slot]))[0], alone, atol=1e-3)
        assert verify(store) == []
        assert len(store.unsigned(view.image_ids)) == 0


def test_second_run_embeds_nothing_and_needs_no_torch(desk: Any) -> None:
    desk.index()
    desk.embedded.clear()
    summary = desk.index()
    assert (summary.unchanged, summary.embedded, desk.embedded) == (12, 0, [])
    code = (
        "import sys\nfrom imgsearch.cli.main import main\n"
        f"code = main(['index', '--library', {str(desk.library)!r}, '--json'])\n"
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules\nsys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert '"unchanged": 12' in done.stdout


def test_move_rename_copy_and_touch_cost_a_row_and_no_embedding(desk: Any) -> None:
    desk.index()
    desk.embedded.clear()
    (desk.photos / "below").mkdir()
    scene(desk, 0).rename(desk.photos / "below" / "moved.png")
    scene(desk, 1).rename(desk.photos / "renamed.png")
    shutil.copyfile(scene(desk, 2), desk.photos / "copy.png")
    os.utime(scene(desk, 3), (1, 1))
    summary = desk.index()
    assert (summary.moved, summary.copied, summary.touched, summary.removed) == (2, 1, 1, 0)
    assert (summary.embedded, desk.embedded, summary.images, summary.files) == (0, [], 12, 13)
    assert desk.rows() == desk.files()


def test_changed_is_embedded_again_and_deleted_leaves(desk: Any) -> None:
    desk.index()
    desk.embedded.clear()
    from PIL import Image

    Image.new("RGB", (50, 40), "red").save(scene(desk, 0))
    scene(desk, 1).unlink()
    summary = desk.index()
    assert (summary.changed, summary.removed, summary.embedded, summary.images) == (1, 1, 1, 11)
    assert desk.rows() == desk.files()


def test_deleted_picture_that_comes_back_is_not_embedded_again(desk: Any) -> None:
    desk.index()
    content = scene(desk, 4).read_bytes()
    scene(desk, 4).unlink()
    desk.index()
    desk.embedded.clear()
    scene(desk, 4).write_bytes(content)
    summary = desk.index()
    assert (summary.copied, summary.embedded, desk.embedded, summary.images) == (1, 0, [], 12)


def test_equal_contents_are_embedded_once(desk: Any) -> None:
    for number in range(5):
        shutil.copyfile(scene(desk, 0), desk.photos / f"same{number}.png")
    summary = desk.index(batch_size=4)
    assert (summary.embedded, sum(desk.embedded), summary.new, summary.copied) == (12, 12, 12, 5)
    assert desk.rows() == desk.files()


@pytest.mark.parametrize("how", ["absent", "empty", "only text left"])
def test_root_that_vanished_is_offline_and_keeps_everything(desk: Any, how: str) -> None:
    desk.index()
    before = desk.rows()
    shutil.move(desk.photos, desk.folder / "aside")
    if how != "absent":
        desk.photos.mkdir()
    if how == "only text left":
        (desk.photos / "notes.txt").write_text("x")
    summary = desk.index()
    assert [row["path"] for row in summary.offline] == [str(desk.photos)]
    assert (summary.removed, summary.images, summary.exit_code) == (0, 12, 0)
    with open_store(desk.library) as store:
        assert [root.offline for root in store.roots()] == [True]
    if desk.photos.exists():
        shutil.rmtree(desk.photos)
    shutil.move(desk.folder / "aside", desk.photos)
    summary = desk.index()
    assert (summary.unchanged, summary.offline, desk.rows()) == (12, [], before)
    with open_store(desk.library) as store:
        assert [root.offline for root in store.roots()] == [False]


def test_all_files_renamed_is_a_move_and_another_disk_is_not(desk: Any) -> None:
    desk.index()
    for path in sorted(desk.photos.iterdir()):
        path.rename(path.with_name("renamed-" + path.name))
    summary = desk.index()
    assert (summary.moved, summary.notes, desk.rows()) == (12, [], desk.files())
    shutil.move(desk.photos, desk.folder / "aside")
    desk.photos.mkdir()
    from PIL import Image

    Image.new("RGB", (50, 40), "blue").save(desk.photos / "other.png")
    summary = desk.index()
    assert (summary.new, summary.removed, summary.images) == (1, 0, 13)
    assert "another disk" in summary.notes[0]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_folder_without_permission_keeps_its_rows_on_a_real_disk(desk: Any) -> None:
    (desk.photos / "closed").mkdir()
    scene(desk, 0).rename(desk.photos / "closed" / "a.png")
    desk.index()
    (desk.photos / "closed").chmod(0)
    try:
        summary = desk.index()
    finally:
        (desk.photos / "closed").chmod(0o755)
    assert (summary.removed, summary.images, len(summary.unreadable)) == (0, 12, 1)


def test_folder_that_cannot_be_read_keeps_its_rows(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (desk.photos / "closed").mkdir()
    scene(desk, 0).rename(desk.photos / "closed" / "a.png")
    desk.index()
    scandir = os.scandir

    def refuse(path: Any = ".") -> Any:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    scene(desk, 1).unlink()
    summary = desk.index()
    monkeypatch.undo()
    assert (summary.removed, summary.images, len(summary.unreadable)) == (1, 11, 1)


def test_content_failure_waits_for_a_change(desk: Any) -> None:
    bad = desk.photos / "bad.jpg"
    bad.write_bytes(b"no picture at all")
    first = desk.index()
    assert (first.failed, first.failed_before, first.exit_code, first.images) == (1, 0, 3, 12)
    again = desk.index()
    assert (again.failed, again.failed_before, again.exit_code) == (1, 1, 3)
    shutil.copyfile(scene(desk, 0), bad)
    mended = desk.index()
    assert (mended.failed, mended.copied, mended.exit_code) == (0, 1, 0)
    bad.write_bytes(b"broken again")
    broken = desk.index()
    assert (broken.failed, broken.files) == (1, 12)
    bad.unlink()
    assert desk.index().failed == 0
    with open_store(desk.library) as store:
        assert list(store.failures()) == []


def test_picture_that_cannot_be_encoded_is_a_failure_and_tried_every_run(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model has memory for three pictures at a time, and gives NaN for one of them."""
    import indexer.index_run
    from imgsearch.media.decode import decode_file

    model = indexer.index_run.library.open_model(None, None)  # type: ignore[arg-type]
    worst = decode_file(scene(desk, 7), model.model_id.image_size).pixels

    class Failing:
        model_id, profile = model.model_id, model.profile

        def preprocess_arrays(self, arrays: Any) -> Any:
            self.bad = [bool((pixels == worst).all()) for pixels in arrays]
            return model.preprocess_arrays(arrays)

        def encode_images(self, pixels: Any) -> Any:
            if len(pixels) > 3:
                raise MemoryError
            return model.encode_images(pixels)

        def embed_features(self, features: Any) -> Any:
            vectors = np.asarray(model.embed_features(features)).copy()
            vectors[self.bad] = np.nan
            return vectors

    with monkeypatch.context() as patch:
        patch.setattr(indexer.index_run.library, "open_model", lambda settings, made_with: Failing())
        summary = desk.index(batch_size=12)
    assert (summary.failed, summary.images, max(desk.embedded)) == (1, 11, 3)
    with open_store(desk.library) as store:
        failures = [(Path(f.path).name, f.stage, f.transient) for f in store.failures()]
    assert failures == [("scene07.png", "encode", True)]
    assert desk.index().images == 12


def test_other_files_are_counted_and_the_library_is_never_walked(desk: Any) -> None:
    desk.library = desk.photos / "library"
    (desk.photos / "notes.txt").write_text("x")
    assert desk.index().other_files == 1
    shutil.copyfile(scene(desk, 0), desk.library / "thumbs" / "t.png")
    assert desk.index().seen == 12
    with pytest.raises(UsageError, match="library's own folder"):
        desk.index(desk.library / "thumbs")


def test_overlapping_paths_make_no_second_row(desk: Any) -> None:
    below = desk.photos / "below"
    below.mkdir()
    scene(desk, 0).rename(below / "a.png")
    desk.index(below, scene(desk, 1))
    summary = desk.index(desk.photos, desk.photos, below, desk.photos / "below" / "..")
    assert (summary.seen, summary.unchanged, summary.new, summary.files) == (12, 2, 10, 12)
    assert desk.rows() == desk.files()
    scene(desk, 2).rename(below / "b.png")
    scene(desk, 3).unlink()
    part = desk.index(below)
    assert (part.seen, part.copied, part.removed) == (2, 1, 0)
    rest = desk.index(desk.photos)
    assert (rest.removed, desk.rows()) == (2, desk.files())


def test_deleted_part_of_a_root_leaves_when_it_is_named(desk: Any) -> None:
    (desk.photos / "below").mkdir()
    scene(desk, 0).rename(desk.photos / "below" / "a.png")
    desk.index()
    shutil.rmtree(desk.photos / "below")
    summary = desk.index(desk.photos / "below")
    assert (summary.removed, summary.images) == (1, 11)


def test_no_path_means_all_roots(desk: Any) -> None:
    desk.index(scene(desk, 0), scene(desk, 1))
    from imgsearch.settings import Settings
    from indexer.index_run import IndexRequest, run_index

    summary = run_index(IndexRequest((), Settings(desk.library)))
    assert (summary.seen, summary.unchanged) == (2, 2)


def test_stop_keeps_what_was_committed_and_the_next_run_goes_on(desk: Any) -> None:
    summary = desk.index(batch_size=2, stop=lambda: len(desk.embedded) >= 2)
    assert summary.interrupted
    assert summary.exit_code == 130
    assert 0 < summary.images < 12
    assert summary.images == sum(desk.embedded)
    assert summary.remaining == 12 - summary.images
    rest = desk.index(batch_size=2)
    assert (rest.embedded, sum(desk.embedded)) == (12 - summary.images, 12)
    assert desk.rows() == desk.files()
    asked: list[None] = []
    between = lambda: bool(asked.append(None) or len(asked) > 3)  # noqa: E731  the second folder is not listed
    (desk.folder / "more").mkdir()
    cut = desk.index(desk.photos, desk.folder / "more", stop=between)
    assert (cut.remaining, cut.unfinished, cut.exit_code) == (0, True, 130)


def test_new_library_takes_the_real_model_or_says_how_to_get_it(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(desk.folder / "cache"))
    monkeypatch.setenv("HF_HOME", str(desk.folder / "cache"))
    with pytest.raises(ModelUnavailable, match="blip2") as caught:
        desk.index(model="")
    assert "imgsearch demo" in caught.value.hint
    assert not desk.library.exists()


def test_existing_library_keeps_its_model(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.index()
    shutil.copytree(LAVIS / "split", desk.folder / "other")
    with pytest.raises(ModelMismatch):
        desk.index(model=str(desk.folder / "other" / "blip2_tiny.pth"))
    shutil.copyfile(LAVIS / "blip2_tiny.pth", desk.folder / "same.pth")
    shutil.copyfile(LAVIS / "vocab.txt", desk.folder / "vocab.txt")
    assert desk.index(model=str(desk.folder / "same.pth")).unchanged == 12


def test_disk_that_is_too_small_is_refused_at_once(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import indexer.forecast

    monkeypatch.setattr(indexer.forecast, "free_bytes", lambda folder: 1000)
    with pytest.raises(StorageFull, match=r"12 new pictures need about .* 1.0 KB is free"):
        desk.index()
    assert desk.embedded == []


def test_second_run_at_the_same_time_is_refused_and_names_the_process(desk: Any) -> None:
    desk.index()
    with open_store(desk.library) as store, writing(store), pytest.raises(LibraryBusy, match=str(os.getpid())):
        desk.index()


def test_path_that_is_not_there_is_a_usage_error(desk: Any) -> None:
    with pytest.raises(UsageError, match="no file or folder"):
        desk.index(desk.folder / "nowhere")
    assert not desk.library.exists()


def test_names_that_are_not_utf8_are_indexed(desk: Any) -> None:
    odd = os.fsencode(desk.photos) + b"/caf\xe9.png"
    shutil.copyfile(scene(desk, 0), odd)
    assert desk.index().files == 13
    assert desk.index().unchanged == 13


def test_rows_without_vectors_do_not_wait_for_ever(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import indexer.index_run

    desk.index()
    for number in range(6):
        shutil.copyfile(scene(desk, number), desk.photos / f"copy{number}.png")
    monkeypatch.setattr(indexer.index_run, "_PATIENCE_S", 0.0)
    seen: list[int] = []

    def stop() -> bool:
        with open_store(desk.library) as store:
            seen.append(store.stats().files)
        time.sleep(0.001)
        return False

    desk.index(stop=stop)
    assert len(set(seen)) > 2


def test_features_of_all_pictures_are_kept_where_that_is_asked_for(desk: Any, tiny: Any) -> None:
    """And asked for once: later runs and searches go on keeping all."""
    from imgsearch.storage import FeatureStore

    desk.index(features="all")
    with open_store(desk.library) as store:
        kept = FeatureStore(store.layout.features, store.model, 1)
        assert kept.keeps_all
        for record in store.iter_images():
            assert kept.get(record.facts.content_hash) is not None
