"""Fixtures of the tests of modules."""

import pytest

from tests.projects.saved import save


@pytest.fixture(scope="session")
def saved(tmp_path_factory):
    """The folder of a small Llama."""
    return save(tmp_path_factory.mktemp("model"))
