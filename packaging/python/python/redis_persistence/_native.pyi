"""The native part. Use what `redis_persistence` has."""

import os
from typing import Any

__version__: str

class Error(OSError):
    report: Any

class Damaged(ValueError):
    offset: int | None
    started: int | None

class InternalError(RuntimeError): ...

def verify(
    source: object, name: str | os.PathLike[str] | None, tool: str | None, arguments: list[str]
) -> tuple[str, int, list[int], list[str]]: ...
def servers() -> list[str]: ...
