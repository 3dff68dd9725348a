"""Reads the plain part of YAML that people write by hand, and adds entries to a map's top-level keys.

The standard library reads no YAML. What this reader takes, it reads as every YAML reader does; it refuses the rest:
anchors, aliases, tags, text over several lines, tabs, duplicate keys, more than one document. So nothing is edited that
was not understood. What is added stands between marks, one block for each key; no other line is changed.
"""
import re

BEGIN = "# begin pi-runners"
END = "# end pi-runners"
EMPTY = (None, {}, "null", "~")
STRANGE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff]")
PLAIN = re.compile(r"(?![-?:](?:[ ]|$))[^\s&*!|>%@`\[\]{},#\"'].*?(?=[ ]*(?::(?:[ ]|$)|[ ]#|$))")
PLAIN_IN_FLOW = re.compile(
    r"(?![-?:](?:[ ,\[\]{}]|$))[^\s&*!|>%@`\[\]{},#\"'][^,\[\]{}]*?(?=[ ]*(?::(?:[ ,\[\]{}]|$)|[ ]#|[,\[\]{}]|$))")
QUOTED = re.compile(r"'((?:[^']|'')*)'|\"((?:[^\"\\]|\\[\\\"nt])*)\"")
ESCAPES = {"\\n": "\n", "\\t": "\t"}


class BrokenError(ValueError):
    """The text has a shape that is not edited; says why."""


class Reader:
    """A document as nested maps, lists and text; where its top-level keys stand, and how their entries are indented."""

    def __init__(self, text):
        self.lines = []
        self.tops = {}
        self.number = 0
        for number, line in enumerate(text.split("\n"), 1):
            self.number = number
            self.take(line[:-1] if line.endswith("\r") else line)
        self.document = self.mapping(0) if self.lines else {}
        if self.lines:
            self.number = self.lines[0][0]
            raise self.broken("is not indented as the lines before it")

    def broken(self, what):
        return BrokenError("line %d %s" % (self.number, what))

    def take(self, line):
        """Keeps a line with its column, unless it says nothing."""
        if STRANGE.search(line):
            raise self.broken("holds a control character or a byte order mark")
        content = line.lstrip(" ")
        if content == "" or content.startswith("#"):
            return
        if re.match(r"(---|\.\.\.)(\s|$)", line):
            if self.lines or self.tops or not re.match(r"---[ ]*(#.*)?$", line):
                raise self.broken("begins or ends another document")
            self.tops[None] = (self.number, "", 0)
            return
        self.lines.append((self.number, len(line) - len(content), content))

    def node(self, column):
        """What begins at the next line."""
        self.number, _, text = self.lines[0]
        if text == "-" or text.startswith("- "):
            return self.sequence(column)
        if self.key(text) is not None:
            return self.mapping(column)
        self.lines.pop(0)
        return self.inline(text, column)

    def mapping(self, column):
        found = {}
        while self.lines and self.lines[0][1] == column:
            self.number, _, text = self.lines[0]
            number = self.number
            pair = self.key(text)
            if pair is None:
                raise self.broken("is no key of a map")
            key, rest = pair
            if key in found:
                raise self.broken("names %s a second time" % key)
            self.lines.pop(0)
            inner = self.lines[0][1] if self.lines else 0
            found[key] = self.inline(rest, column) if rest else self.below(column, True)
            if column == 0:
                self.tops[key] = (number, rest, inner)
        return self.ended(found, column)

    def sequence(self, column):
        found = []
        while self.lines and self.lines[0][1] == column and (self.lines[0][2] + " ").startswith("- "):
            self.number, _, text = self.lines.pop(0)
            rest = text[1:].lstrip(" ")
            if rest == "" or rest.startswith("#"):
                found.append(self.below(column, False))
            else:
                self.lines.insert(0, (self.number, column + len(text) - len(rest), rest))
                found.append(self.node(self.lines[0][1]))
        return self.ended(found, column)

    def ended(self, found, column):
        if self.lines and self.lines[0][1] > column:
            self.number = self.lines[0][0]
            raise self.broken("is not indented as the lines before it")
        return found

    def below(self, column, in_map):
        """The value that the lines below a key or a dash make; a list may stand as far left as its key."""
        if self.lines and (self.lines[0][1] > column or
                           (in_map and self.lines[0][1] == column and (self.lines[0][2] + " ").startswith("- "))):
            return self.node(self.lines[0][1])
        return None

    def key(self, text):
        """A line's key, and what stands after its colon; None where it has none."""
        if text[0] in "[{":
            return None
        value, end = self.scalar(text, 0, PLAIN)
        after = re.compile(r"[ ]*:(?:[ ]+|$)").match(text, end)
        if after is None:
            return None
        if value == "<<":
            raise self.broken("merges another map")
        rest = text[after.end():]
        return value, "" if rest.startswith("#") else rest

    def inline(self, text, column):
        """A value that stands on one line, and ends there."""
        value, end = self.flow(text, 0) if text[0] in "[{" else self.scalar(text, 0, PLAIN)
        if not re.compile(r"[ ]*$|[ ]+#").match(text, end):
            raise self.broken("is not plain YAML")
        return self.ended(value, column)

    def scalar(self, text, start, plain):
        quoted = QUOTED.match(text, start)
        if quoted:
            single, double = quoted.groups()
            if single is not None:
                return single.replace("''", "'"), quoted.end()
            return re.sub(r"\\.", lambda found: ESCAPES.get(found.group(), found.group()[1]), double), quoted.end()
        found = plain.match(text, start)
        if not found or "\t" in found.group():
            raise self.broken("is not plain YAML (an anchor, a tag, a tab, or text over several lines)")
        return found.group(), found.end()

    def flow(self, text, start):
        """[a, b] or {a: b}, on one line."""
        maps = text[start] == "{"
        found, place = {} if maps else [], self.blank(text, start + 1)
        while text[place:place + 1] != ("}" if maps else "]"):
            if found:
                if text[place:place + 1] != ",":
                    raise self.broken("is not plain YAML")
                place = self.blank(text, place + 1)
            key = None
            if maps:
                key, place = self.scalar(text, place, PLAIN_IN_FLOW)
                colon = re.compile(r":[ ]+").match(text, place)
                if colon is None or key in found or key == "<<":
                    raise self.broken("has a key without value, or twice")
                place = colon.end()
            nested = text[place:place + 1] in ("[", "{")
            value, place = self.flow(text, place) if nested else self.scalar(text, place, PLAIN_IN_FLOW)
            found.update({key: value}) if maps else found.append(value)
            place = self.blank(text, place)
        return found, place + 1

    @staticmethod
    def blank(text, place):
        return len(text) - len(text[place:].lstrip(" "))


def read(text):
    """The document as nested maps, lists and text."""
    return Reader(text).document


def without(text):
    """The text without our blocks, and these as they stand there, each after the top-level key that it belongs to. A key
    that we had made goes too, and braces that we took away come back, when nothing is left below."""
    kept, blocks, undo, key, inside = [], [], [], None, None
    for line in lines_of(text):
        mark = line.strip()
        if mark.startswith(BEGIN) or mark == END:
            if mark.startswith(BEGIN) == (inside is not None):
                raise BrokenError("the marks `%s` and `%s` do not pair" % (BEGIN, END))
            if inside is None:
                inside = []
                undo.append((len(kept) - 1, mark[len(BEGIN):].strip()))
            else:
                blocks.append((key, "".join(inside)))
                inside = None
        elif inside is not None:
            inside.append(line)
        else:
            kept.append(line)
            top = re.match(r"[\"']?([A-Za-z_-]+)[\"']?[ ]*:", line)
            key = top.group(1) if top else key
    if inside is not None:
        raise BrokenError("a mark `%s` has no end" % BEGIN)
    for place, note in reversed(undo):
        if place >= 0 and re.match(r"\S+:", kept[place]) and not below(kept, place):
            if note == "braces":
                kept[place] = kept[place].replace(":", ": {}", 1)
            elif note == "key":
                kept.pop(place)
    return "".join(kept), blocks


def below(lines, place):
    """Does anything stand below a key: an entry, or a comment as far in as one?"""
    for line in lines[place + 1:]:
        if line.strip():
            return line.startswith((" ", "-"))
    return False


def lines_of(text):
    """Lines with their ends, which are those of YAML, not all that Python knows."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def with_entries(text, blocks):
    """A text that holds no block of ours, with blocks: for each top-level key the lines of its entries."""
    for key, lines in blocks:
        if lines:
            text = with_block(text, key, lines)
    return text


def with_block(text, key, lines):
    end = "\r\n" if "\r\n" in text else "\n"
    reader = Reader(text)
    if key not in reader.tops:
        joined = text + ("" if not text or text.endswith("\n") else end)
        return joined + key + ":" + end + block(" key", "  ", lines, end)
    number, rest, column = reader.tops[key]
    value = reader.document[key]
    if value not in EMPTY and (rest or not isinstance(value, dict)):
        raise BrokenError("line %d is not a block map (write one entry a line)" % number)
    made = lines_of(text)
    head = made[number - 1].rstrip("\r\n")
    if rest:
        head = re.sub(r":[ ]+(\{[ ]*\}|null|~)", ":", head, count=1)
    pad = "  " if value in EMPTY else " " * column
    made[number - 1] = head + end + block(" braces" if rest else "", pad, lines, end)
    return "".join(made)


def block(note, pad, lines, end):
    return "".join(pad + line + end for line in [BEGIN + note] + lines + [END])
