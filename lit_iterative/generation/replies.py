"""Replies kept on disk, so that no question is paid for twice."""

import json
import os
import threading
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from lit_iterative.errors import StoreError
from lit_iterative.generation.transport import Reply


def request_key(url: str, body: Mapping[str, Any]) -> str:
    """Return the name of a request: a hash of all that decides its reply, and of no secret."""
    return sha256(json.dumps([url, body], sort_keys=True).encode()).hexdigest()


class Replies:
    """A folder with one JSON file a reply.

    Args:
        folder: Where; made when the first reply comes.

    Attributes:
        damaged: Files that were there but could not be read; they count as absent and are written anew.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = Path(folder)
        self.damaged = 0

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / f"{key}.json"

    def get(self, key: str) -> Reply | None:
        """Return the reply to a request, or none where it is not known."""
        try:
            content = self._path(key).read_bytes()
        except OSError:
            return None
        reply = _parsed(content, key)
        self.damaged += reply is None
        return reply

    def put(self, key: str, reply: Reply) -> None:
        """Keep a reply; at every instant its file is whole or absent.

        Raises:
            StoreError: If it cannot be written.
        """
        path = self._path(key)
        temporary = path.with_name(f"{key}.{os.getpid()}.{threading.get_ident()}.tmp")
        content = json.dumps({"key": key, "text": reply.text, "finish": reply.finish, "tokens": reply.tokens})
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(temporary, "w", encoding="ascii") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except OSError as error:
            if temporary.exists():
                temporary.unlink()
            raise StoreError(
                f"The reply to a question cannot be kept in {self._folder} ({error}). Free some space there or name "
                "another folder (cache), and run the same command again."
            ) from error


def _parsed(content: bytes, key: str) -> Reply | None:
    """Return the reply in a file, or none where the file is not as it was written."""
    try:
        said = json.loads(content)
        reply = Reply(said["text"], said["finish"], said["tokens"])
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    kinds = isinstance(reply.text, str) and isinstance(reply.finish, str) and isinstance(reply.tokens, int)
    return reply if kinds and said.get("key") == key else None
