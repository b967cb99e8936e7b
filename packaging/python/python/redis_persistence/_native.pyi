"""The native part. Use what `redis_persistence` has."""

import builtins
import os
from typing import Any, final

__all__ = [
    "Damaged",
    "Error",
    "InternalError",
    "Inventory",
    "Key",
    "Keys",
    "__version__",
    "inventory",
    "keys",
    "servers",
    "verify",
]

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

@final
class Key:
    @property
    def db(self) -> int: ...
    @property
    def key(self) -> builtins.bytes: ...
    @property
    def type(self) -> str: ...
    @property
    def encoding(self) -> str: ...
    @property
    def elements(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def slot(self) -> int: ...
    @property
    def expires_ms(self) -> int | None: ...
    @property
    def idle(self) -> int | None: ...
    @property
    def freq(self) -> int | None: ...
    @property
    def value(self) -> Any: ...
    @property
    def field_expires_ms(self) -> dict[builtins.bytes, int]: ...

@final
class Keys:
    def __iter__(self) -> Keys: ...
    def __next__(self) -> Key: ...

@final
class Inventory:
    @property
    def failed(self) -> BaseException | None: ...
    def __arrow_c_stream__(self, requested_schema: object = None) -> Any: ...
    def __arrow_c_schema__(self) -> Any: ...

#: values, threads
_Options = tuple[bool, int | None]

def keys(source: object, name: str | os.PathLike[str] | None, options: _Options) -> Keys: ...
def inventory(source: object, name: str | os.PathLike[str] | None, options: _Options, batch_size: int) -> Inventory: ...
