"""The pool itself is tested with workers that start as they do outside tests."""

import pytest


@pytest.fixture(autouse=True)
def workers_as_they_are(real_workers: None) -> None:
    pass
