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
