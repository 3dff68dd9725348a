"""Reads the part of TOML that settings files are written in, and adds tables at their end.

The standard library of Python before 3.11 reads no TOML. What this reader takes, it reads as every TOML reader does; it
refuses the rest: text over several lines, names defined twice, in whatever spelling. What is added stands between marks
after everything else; no other line is changed.
"""
import re

BEGIN = "# begin pi-runners"
END = "# end pi-runners"
BLANK = re.compile(r"[ \t]*(?:#[^\n]*)?")
SPACE = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
BARE = re.compile(r"[A-Za-z0-9_-]+")
BASIC = re.compile(r'"(?!"")((?:[^"\\\n]|\\[btnfr"\\]|\\u(?![dD][89a-fA-F])[0-9A-Fa-f]{4})*)"')
LITERAL = re.compile(r"'(?!'')([^'\n]*)'")
DATE = r"\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)?)?|\d\d:\d\d:\d\d(?:\.\d+)?"
ATOM = re.compile(DATE + r"|true|false|[+-]?(?:inf|nan)"
                  r"|[+-]?(?:0|[1-9]\d*(?:_\d+)*)(?:\.\d+(?:_\d+)*)?(?:[eE][+-]?\d+)?")
STRANGE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ufeff]")
ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r"}


class BrokenError(ValueError):
    """The text has a shape that is not edited; says why."""


class Table(dict):
    """A table, and how it came to be: by a header of its own, by the header of a table in it (open), by dotted keys, or
    in braces (closed)."""

    made = "open"


class Tables(list):
    """What [[name]] makes; [1, 2] is a plain list, which takes no further tables."""


class Reader:
    """A document as nested tables; numbers and dates as the text that they were."""

    def __init__(self, text):
        self.text = text.replace("\r\n", "\n")
        self.place = 0
        if STRANGE.search(self.text):
            raise BrokenError("it holds a control character or a byte order mark")
        self.document = current = Table()
        current.made = "header"
        while self.skip(SPACE) < len(self.text):
            if self.text[self.place] == "[":
                current = self.header()
            else:
                self.pair(current)
            self.skip(BLANK)
            if self.text[self.place:self.place + 1] not in ("", "\n"):
                raise self.broken("is not plain TOML")

    def broken(self, what):
        return BrokenError("line %d %s" % (self.text.count("\n", 0, self.place) + 1, what))

    def skip(self, pattern):
        self.place = pattern.match(self.text, self.place).end()
        return self.place

    def take(self, text):
        """Goes past a text; False where it is not there."""
        there = self.text.startswith(text, self.place)
        self.place += len(text) if there else 0
        return there

    def need(self, text):
        if not self.take(text):
            raise self.broken("lacks %s" % text)

    def blank(self):
        self.place = re.compile(r"[ \t]*").match(self.text, self.place).end()

    def header(self):
        """[name] or [[name]]; the table that the lines after it go to."""
        self.need("[")
        many = self.take("[")
        self.blank()
        names = self.names()
        self.need("]]" if many else "]")
        table = self.document
        for name in names[:-1]:
            table = table.setdefault(name, Table())
            table = table[-1] if isinstance(table, Tables) else table
            if not isinstance(table, Table) or table.made == "closed":
                raise self.broken("adds to %s, which is no table that can be added to" % name)
        last = names[-1]
        if many:
            found = table.setdefault(last, Tables())
            if not isinstance(found, Tables):
                raise self.broken("names %s a second time" % last)
            found.append(Table())
            table = found[-1]
        else:
            table = table.setdefault(last, Table())
            if not isinstance(table, Table) or table.made != "open":
                raise self.broken("names %s a second time" % last)
        table.made = "header"
        return table

    def pair(self, table):
        """name = value, or a.b = value"""
        names = self.names()
        for name in names[:-1]:
            new = name not in table
            table = table.setdefault(name, Table())
            if not isinstance(table, Table) or (not new and table.made != "dotted"):
                raise self.broken("names %s a second time" % name)
            table.made = "dotted"
        self.need("=")
        self.blank()
        if names[-1] in table:
            raise self.broken("names %s a second time" % names[-1])
        table[names[-1]] = self.value()

    def names(self):
        found = []
        while not found or self.take("."):
            self.blank()
            found.append(self.name())
            self.blank()
        return found

    def name(self):
        bare = BARE.match(self.text, self.place)
        if bare:
            self.place = bare.end()
            return bare.group()
        value = self.string()
        if value is None:
            raise self.broken("is not plain TOML")
        return value

    def string(self):
        found = BASIC.match(self.text, self.place) or LITERAL.match(self.text, self.place)
        if not found:
            return None
        self.place = found.end()
        if found.re is LITERAL:
            return found.group(1)
        return re.sub(r"\\(u(....)|.)", unescaped, found.group(1))

    def value(self):
        value = self.string()
        if value is not None:
            return value
        if self.take("["):
            return self.array()
        if self.take("{"):
            return self.inline()
        found = ATOM.match(self.text, self.place)
        if not found or re.compile(r"[^\s,\]}#]").match(self.text, found.end()):
            raise self.broken("is not plain TOML (text over several lines, or a value that is none)")
        self.place = found.end()
        return {"true": True, "false": False}.get(found.group(), found.group())

    def array(self):
        found = []
        while self.skip(SPACE) < len(self.text) and not self.take("]"):
            if found:
                self.need(",")
                self.skip(SPACE)
                if self.take("]"):
                    break
            found.append(self.value())
        if self.text[self.place - 1:self.place] != "]":
            raise self.broken("lacks ]")
        return found

    def inline(self):
        table = Table()
        self.blank()
        while not self.take("}"):
            if table:
                self.need(",")
                self.blank()
            self.pair(table)
            self.blank()
        return closed(table)


def unescaped(found):
    code = found.group(2)
    return chr(int(code, 16)) if code else ESCAPES.get(found.group(1), found.group(1))


def closed(table):
    """What stands in braces is whole: nothing outside adds to it."""
    table.made = "closed"
    for value in table.values():
        if isinstance(value, Table):
            closed(value)
    return table


def read(text):
    """The document as nested dictionaries and lists."""
    return Reader(text).document


def without(text):
    """The text without our block, and the block as it stands there."""
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    marks = [(place, line.strip()) for place, line in enumerate(lines) if line.strip() in (BEGIN, END)]
    if not marks:
        return text, []
    if [mark for _, mark in marks] != [BEGIN, END]:
        raise BrokenError("the marks `%s` and `%s` do not pair" % (BEGIN, END))
    begin, end = marks[0][0], marks[1][0]
    return "".join(lines[:begin] + lines[end + 1:]), [(None, "".join(lines[begin + 1:end]))]


def with_tables(text, lines):
    """A text that holds no block of ours, with tables after everything else."""
    if not lines:
        return text
    end = "\r\n" if "\r\n" in text else "\n"
    return text + ("" if not text or text.endswith("\n") else end) + "".join(line + end for line in [BEGIN] + lines + [END])
