"""Addresses of servers, and the keys that go with them."""

import os
from urllib.parse import urlsplit

from lit_iterative.errors import PipelineError, SetupError


def check_url(name: str, url: str) -> None:
    """Check that an address can be asked, and holds no secret.

    Raises:
        PipelineError: If not.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
        raise PipelineError(
            f"{name} begins with {url.split('@')[-1][:40]!r}. Give an http or https address without a password in it, "
            "such as http://localhost:8000/v1; name the variable with the key in api_key_env."
        )


def key_in(variable: str | None, url: str) -> str | None:
    """Return the key that an environment variable holds; none where no variable is named.

    Raises:
        SetupError: If the variable is not set.
    """
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        raise SetupError(
            f"The environment variable {variable!r}, which should hold the key of {url}, is not set. Set it: export "
            f"{variable}=..."
        )
    return key
