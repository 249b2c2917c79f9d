"""Settings: which source wins, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from imgsearch.errors import UsageError
from imgsearch.settings import load_settings


def test_flags_beat_environment_beats_file_beats_defaults(tmp_path):
    file = tmp_path / "s.toml"
    file.write_text('library = "/from/file"\nmodel = "file"\ndevice = "file"\nrerank = 3\n')
    environment = {"IMGSEARCH_CONFIG": str(file), "IMGSEARCH_MODEL": "environment", "IMGSEARCH_DEVICE": "environment"}
    settings = load_settings({"device": "flag", "dtype": None}, environment)
    assert settings.library == Path("/from/file")
    assert (settings.model, settings.device, settings.dtype, settings.rerank) == ("environment", "flag", "auto", 3)


@pytest.mark.parametrize(
    ("text", "named"), [("colour = 1", "colour"), ("rerank = 'many'", "rerank"), ("= =", "s.toml")]
)
def test_wrong_file_is_refused_by_name(tmp_path, text, named):
    file = tmp_path / "s.toml"
    file.write_text(text)
    with pytest.raises(UsageError, match=named):
        load_settings({}, {"IMGSEARCH_CONFIG": str(file)})


def test_config_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UsageError, match="IMGSEARCH_CONFIG"):
        load_settings({}, {"IMGSEARCH_CONFIG": str(tmp_path / "absent.toml")})


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"IMGSEARCH_MODLE": "x"}, "did you mean IMGSEARCH_MODEL"),
        ({"IMGSEARCH_BATCHSIZE": "4"}, "did you mean IMGSEARCH_BATCH_SIZE"),
        ({"IMGSEARCH_CONFG": "x"}, "did you mean IMGSEARCH_CONFIG"),
        ({"IMGSEARCH_RERANK": "-2"}, "of -1 or more"),
        ({"IMGSEARCH_WORKERS": "-1"}, "of 0 or more"),
        ({"IMGSEARCH_BATCH_SIZE": "many"}, "a whole number"),
    ],
)
def test_wrong_variables_are_refused_with_what_was_meant(environment, said):
    with pytest.raises(UsageError, match=said):
        load_settings({}, environment)


def test_variables_of_others_and_empty_ones_do_not_count():
    environment = {"IMGSEARCH_ALLOW_NETWORK": "1", "IMGSEARCH_SHARED": "x", "IMGSEARCH_CRASH_AT": "y"}
    settings = load_settings({}, {**environment, "IMGSEARCH_LIBRARY": "", "IMGSEARCH_RERANK": ""})
    assert settings.library.name == "library" and settings.rerank == -1


@pytest.mark.parametrize(
    ("name", "meant"), [("devise", "device"), ("batch-size", "batch_size"), ("feature", "features")]
)
def test_a_setting_that_does_not_exist_is_told_with_what_was_meant(tmp_path, name, meant):
    file = tmp_path / "s.toml"
    file.write_text(f'{name} = "x"\n')
    with pytest.raises(UsageError, match=f"did you mean {meant}"):
        load_settings({}, {"IMGSEARCH_CONFIG": str(file)})


@pytest.mark.parametrize("value", [1.5, "1.5", None, [], -7])
def test_a_number_that_is_none_is_refused(value):
    if value is None:
        assert load_settings({"workers": value}, {}).workers == 0
    else:
        with pytest.raises(UsageError, match="workers"):
            load_settings({"workers": value}, {})


def test_a_user_without_a_home_folder_names_the_library(monkeypatch, tmp_path):
    for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda uid: (_ for _ in ()).throw(KeyError(uid)))
    with pytest.raises(UsageError, match="no home folder that could hold one") as refused:
        load_settings({}, {})
    assert "--library DIR" in refused.value.hint
    assert load_settings({"library": str(tmp_path)}, {}).library == tmp_path
