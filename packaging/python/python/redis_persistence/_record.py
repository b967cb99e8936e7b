"""What the objects of a report have in common, and how their fields are made of what JSON has."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar


class Record:
    """An object of a report: its fields are attributes. Two are equal if all of their fields are."""

    __slots__ = ("_data",)
    #: What makes the fields that are not as JSON has them.
    _made: ClassVar[dict[str, Callable[[Any], Any]]] = {}

    def __init__(self, data: dict[str, Any]) -> None:
        self._data = data

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            known = any(name in getattr(kind, "__annotations__", ()) for kind in type(self).__mro__)
            if name.startswith("_") or not (known or name in self._data):
                raise AttributeError(f"{type(self).__name__} has no field {name}")
            value = self._data.get(name)
            make = self._made.get(name)
            return value if make is None or (value is None and name not in self._data) else make(value)

    def to_dict(self) -> dict[str, Any]:
        """Returns it as JSON has it: dictionaries, lists, texts and numbers. It is the object's own: copy it before a change."""
        return self._data

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._data})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and type(other) is type(self) and other._data == self._data

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._data.items())})"


def integer(value: int | str) -> int:
    """Returns a number of a report, which stands there as text where it is large."""
    return int(value)


def optional_integer(value: int | str | None) -> int | None:
    """Returns the same, if it is there."""
    return None if value is None else int(value)


def optional(make: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Makes something, if it is there."""
    return lambda value: None if value is None else make(value)


def each(make: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Makes the elements of a list."""
    return lambda values: [make(value) for value in values]


def table(make: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Makes the values of a table."""
    return lambda values: {name: make(value) for name, value in values.items()}
