"""Writes report.py and report_stats.py of the package from the schema of the reports: python3 schema.py [--check]

With --check nothing is written: it exits with 1 where a file is not what the schema says. A form of the schema that is not known
here is an error, so that nothing is left out silently.
"""

import json
import keyword
import pathlib
import sys
import textwrap

WIDTH = 140
HERE = pathlib.Path(__file__).parent
SCHEMA = HERE / "../../crates/redis-persistence/docs/report.schema.json"
PACKAGE = HERE / "python/redis_persistence"

HEAD = '''"""The objects of a report{of}: one class for each object of its JSON schema, with the same names.

Written by ``packaging/python/schema.py`` from ``report.schema.json``. Offsets and sizes are in bytes, and count unpacked bytes. Whole
numbers that JSON has as text, because they are above 2^53, are ``int`` here. What a report does not have is ``None``.
"""

from __future__ import annotations

from typing import Literal

from ._record import {uses}
'''

#: What only a repair or a salvage adds, which this package does not do.
LEFT_OUT = {"repair", "salvage", "salvage_aof", "undo"}

#: Names for the elements of lists and the values of tables.
ONE = {
    "files": "File", "findings": "Finding", "parts": "Part", "databases": "Database", "not_read": "NotRead", "cuts": "Cut",
    "loads_on": "Loads", "overwrites": "Overwrite", "releases": "Release", "prefixes": "Prefix", "deeper_prefixes": "Prefix",
    "largest": "LargeKey", "timeline": "TimelineRow", "changes": "Change",
}
#: And of those that are of two kinds.
OF = {("Stats", "databases"): "OfType", ("Finding", "bytes"): "HexSpan"}


class Writer:
    def __init__(self, schema):
        self.schema = schema
        self.classes = {}
        self.names = {}

    def resolve(self, part):
        """Returns a part with what it refers to, and the name of that."""
        if "$ref" not in part:
            return part, None
        found = self.schema
        way = part["$ref"].removeprefix("#/").split("/")
        for step in way:
            found = found[step]
        further, name = self.resolve(found)
        own = {key: value for key, value in part.items() if key != "$ref"}
        return {**further, **own}, name or way[-1]

    def class_of(self, part, name, parent):
        """Returns the class of an object, which is written if it is a new one."""
        shape = json.dumps([part["properties"], part.get("required")], sort_keys=True)
        if shape in self.names:
            return self.names[shape]
        if name in self.classes:
            name = parent + name
        if name in self.classes:
            raise SystemExit(f"two objects would be called {name}")
        self.names[shape] = name
        text = part.get("description")
        lines, made = [], []
        for key, value in part["properties"].items():
            if key not in LEFT_OUT:
                lines += self.field(key, value, key in part.get("required", []), name, made)
        table = [f"    _made = {{{', '.join(made)}}}"] if made else []
        if table and len(table[0]) > WIDTH:
            table = ["    _made = {", *(f"        {one}," for one in made), "    }"]
        # Those that it holds were written before it.
        self.classes[name] = [f"class {name}(Record):", *([*doc(text, 4), ""] if text else []), "    __slots__ = ()", *table, *lines]
        return name

    def field(self, key, part, required, parent, table):
        kind, made = self.type_of(part, key, parent)
        if not required and "None" not in kind.split(" | "):
            kind, made = f"{kind} | None", made and f"optional({made})"
        if made:
            table.append(f'"{key}": {made}')
        if keyword.iskeyword(key):
            # Python has no such attribute.
            return [f"    # {key}: {kind}, by to_dict()"]
        # What is said of all numbers is said once, above.
        text = None if part.get("$ref", "").endswith("number") and "description" not in part else self.resolve(part)[0].get("description")
        line = f"    {key}: {kind}"
        if len(line) > WIDTH:
            literal = kind.removeprefix("Literal[").split("]")[0]
            pad = " " * 8
            lines = textwrap.wrap(literal + ",", WIDTH, initial_indent=pad, subsequent_indent=pad)
            line = "\n".join([f"    {key}: Literal[", *lines, "    ]" + kind.partition("]")[2]])
        return [line, *(doc(text, 4) if text else [])]

    def type_of(self, part, key, parent):
        """Returns the type of a part, and what makes it of what JSON has; ``None`` where it stays so."""
        part, named = self.resolve(part)
        if named in ("number", "signed"):
            return "int", "integer"
        if named in ("optional_number", "optional_signed"):
            return "int | None", "optional_integer"
        if "const" in part:
            return f"Literal[{json.dumps(part['const'])}]", None
        if "enum" in part:
            literal = ", ".join(json.dumps(choice) for choice in part["enum"] if choice is not None)
            return f"Literal[{literal}]" + (" | None" if None in part["enum"] else ""), None
        choices = part.get("oneOf") or part.get("anyOf")
        if choices:
            others = [other for other in choices if other != {"type": "null"}]
            if len(others) != 1 or len(choices) != 2:
                return self.scalars(choices, key), None
            kind, made = self.type_of(others[0], key, parent)
            return (kind, made) if "None" in kind.split(" | ") else (f"{kind} | None", made and f"optional({made})")
        types = part.get("type")
        if isinstance(types, list):
            return self.scalars([{"type": one} for one in types], key), None
        if types == "array":
            kind, made = self.type_of(part["items"], key, parent)
            return f"list[{kind}]", made and f"each({made})"
        if types == "object" and "properties" in part:
            plain = named if key not in ONE and named else key
            name = OF.get((parent, key)) or ONE.get(key) or "".join(word.capitalize() for word in plain.split("_"))
            name = self.class_of(part, name, parent)
            return name, name
        if types == "object" and isinstance(part.get("additionalProperties"), dict):
            kind, made = self.type_of(part["additionalProperties"], key, parent)
            return f"dict[str, {kind}]", made and f"table({made})"
        return self.scalars([part], key), None

    def scalars(self, parts, key):
        known = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
        kinds = []
        for part in parts:
            kind = known.get(part.get("type"))
            if kind is None:
                raise SystemExit(f"{key}: this form of the schema is not known: {part}")
            kinds.append(kind)
        return " | ".join(dict.fromkeys(kinds))


def doc(text, indent):
    text = " ".join(text.split()).replace("\\", "\\\\").replace(" null", " ``None``").replace("Null ", "``None`` ")
    pad = " " * indent
    lines = textwrap.wrap(text, WIDTH, initial_indent=f'{pad}"""', subsequent_indent=pad)
    if len(lines[-1]) + 3 > WIDTH:
        return [*lines, f'{pad}"""']
    return [*lines[:-1], lines[-1] + '"""']


def module(of, classes, more=()):
    """Returns the text of a module with these classes."""
    body = "".join("\n\n" + "\n".join(lines) + "\n" for lines in classes)
    helpers = ("Record", "each", "integer", "optional", "optional_integer", "table")
    uses = [name for name in helpers if any(form in body for form in (f" {name}(", f": {name},", f": {name}}}", f"({name})"))]
    head = HEAD.replace("{of}", of).replace("{uses}", ", ".join(uses))
    if "Literal[" not in body:
        head = head.replace("from typing import Literal\n\n", "")
    return head + "".join(f"{line}\n" for line in more) + body


def written():
    """Returns the modules by their names."""
    schema = json.loads(SCHEMA.read_text())
    writer = Writer(schema)
    writer.class_of({key: schema[key] for key in ("properties", "required", "description")}, "Document", "")
    names = list(writer.classes)
    first, last = names.index("Spread"), names.index("Stats") + 1
    stats = names[first:last]
    others = [name for name in names if name not in stats]
    return {
        "report_stats.py": module(", with `stats`", [writer.classes[name] for name in stats]),
        "report.py": module("", [writer.classes[name] for name in others], ["from .report_stats import Stats"]),
    }


if __name__ == "__main__":
    for name, text in written().items():
        path = PACKAGE / name
        if sys.argv[1:] != ["--check"]:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            sys.exit(f"{name} is not what the schema says: run packaging/python/schema.py")
