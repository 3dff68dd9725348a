"""Adds entries to the two maps of k3s' registries.yaml and takes them out again, leaving every other line as it is.

The standard library reads no YAML, so only the plain shape that people write is edited: block maps, spaces for
indentation, no anchors or tags. Anything else is refused. What is added stands between marks, one block for each map.
"""
import re

BEGIN = "# begin pi-runners"
END = "# end pi-runners"
TOP = re.compile(r"^([A-Za-z_][\w-]*):(.*)$")


class Broken(ValueError):
    """The text has a shape that is not edited; says why."""


def parts(text):
    """Top-level keys with the lines under each; the lines before the first under None."""
    found = [(None, [])]
    for number, line in enumerate(text.splitlines(), 1):
        if "\t" in line[:len(line) - len(line.lstrip())]:
            raise Broken("line %d is indented by a tab" % number)
        top = TOP.match(line)
        if top:
            if any(key == top.group(1) for key, _ in found):
                raise Broken("key %s is there twice" % top.group(1))
            rest = top.group(2).split("#")[0].strip()
            if top.group(1) in ("mirrors", "configs") and rest not in ("", "{}"):
                raise Broken("line %d is not a block map" % number)
            found.append((top.group(1), [line]))
        elif line.strip() and not line.startswith((" ", "#")) and line.strip() != "---":
            raise Broken("line %d is no key of a map" % number)
        else:
            if re.match(r"^\s*[^#\s].*[:\s][&*!]\w", line) or re.match(r"^\s*(<<|\?)", line):
                raise Broken("line %d uses an anchor, an alias or a tag" % number)
            found[-1][1].append(line)
    return found


def names(text, key):
    """The entries under a top-level key that stand outside our marks."""
    lines = dict(parts(without(text))).get(key, [])[1:]
    found = []
    for line in lines:
        entry = re.match(r"^( +)([\"']?)([^\"'#\s].*?)\2:\s*(#.*)?$|^( +)([\"']?)([^\"'#\s].*?)\6:\s+\S", line)
        if entry:
            indent = entry.group(1) or entry.group(5)
            found.append((len(indent), entry.group(3) or entry.group(7)))
    least = min([indent for indent, _ in found] or [0])
    return [name for indent, name in found if indent == least], least


def without(text):
    """The text without our blocks, and without a key that then has nothing under it and that we had made."""
    kept, inside = [], False
    for line in text.splitlines(True):
        mark = line.strip()
        if mark.startswith(BEGIN):
            inside = True
            if mark.endswith(" key") and kept and TOP.match(kept[-1]):
                kept.pop()
            elif mark.endswith(" braces") and kept:
                kept[-1] = kept[-1].rstrip("\n") + " {}\n"
        elif mark == END:
            inside = False
        elif not inside:
            kept.append(line)
    if inside:
        raise Broken("a mark `%s` has no end" % BEGIN)
    return "".join(kept)


def with_entries(text, blocks):
    """The text with our blocks: for each top-level key the lines of its entries, indented by nothing."""
    text = without(text)
    for key, lines in blocks:
        if lines:
            text = with_block(text, key, lines)
    return text


def with_block(text, key, lines):
    found = dict(parts(text))
    _, indent = names(text, key)
    pad = " " * (indent or 2)
    if key not in found:
        ending = "" if not text or text.endswith("\n") else "\n"
        return text + ending + "%s:\n" % key + block(" key", pad, lines)
    made = []
    for line in text.splitlines(True):
        top = TOP.match(line)
        if top and top.group(1) == key:
            braces = top.group(2).split("#")[0].strip() == "{}"
            head = re.sub(r"\s*\{\}\s*$", "", line.rstrip("\n")) if braces else line.rstrip("\n")
            made.append(head + "\n" + block(" braces" if braces else "", pad, lines))
        else:
            made.append(line)
    return "".join(made)


def block(note, pad, lines):
    return "%s%s%s\n" % (pad, BEGIN, note) + "".join(pad + line + "\n" for line in lines) + "%s%s\n" % (pad, END)
