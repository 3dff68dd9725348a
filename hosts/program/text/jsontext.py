"""Edits one list of strings in the text of a JSON object, and leaves every other byte as it is.

Pure functions over text. Numbers, escapes, order, indentation and line ends of everything else survive, because
they are never written again. Reading is stricter than most engines: what two readers could understand differently
(duplicate keys, NaN, text after the end) is refused rather than guessed.
"""
import json
import re

SPACE = re.compile(r"[ \t\n\r]*")
BOM = "\ufeff"
# White space as Go's bytes.TrimSpace has it: what is nothing else is an empty file for Docker from 23.0 on.
BLANK = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200b)))


class BrokenError(ValueError):
    """The text is not an object that can be edited safely; says why."""


class Span:
    """A value with the place of its text."""

    def __init__(self, value, start, end):
        self.value = value
        self.start = start
        self.end = end


class Member:
    """A key of the object with its value."""

    def __init__(self, key, value):
        self.key = key
        self.value = value


class Document:
    """An object's members in order, and where its braces are."""

    def __init__(self, text, members, start, end):
        self.text = text
        self.members = members
        self.start = start
        self.end = end

    def find(self, key):
        for member in self.members:
            if member.key.value == key:
                return member
        return None

    def value(self):
        return {member.key.value: member.value.value for member in self.members}


def blank(text):
    """Is it a file without settings?"""
    return not (text[1:] if text.startswith(BOM) else text).strip(BLANK)


def scan(text):
    """Reads an object strictly; raises BrokenError."""
    if blank(text):
        raise BrokenError("the file is empty")
    start = skip(text, 1 if text.startswith(BOM) else 0)
    try:
        if text[start] != "{":
            whole = decoder().raw_decode(text, start)[0]
            raise BrokenError("the top level is %s, not an object" % kind(whole))
        members, end = scan_members(text, start)
    except BrokenError:
        raise
    except (ValueError, IndexError) as error:
        raise BrokenError("it is not valid JSON (%s)" % (error or "it ends too early"))
    except RecursionError:
        raise BrokenError("it is nested too deeply")
    if skip(text, end) != len(text):
        raise BrokenError("there is text after the end of the object, at character %d" % (skip(text, end) + 1))
    return Document(text, members, start, end)


def scan_members(text, start):
    """The members after the brace at start, and the place after the closing brace."""
    members = []
    at = skip(text, start + 1)
    if text[at] == "}":
        return members, at + 1
    while True:
        key = scan_value(text, at)
        if not isinstance(key.value, str):
            raise BrokenError("a key is not a string, at character %d" % (at + 1))
        at = skip(text, key.end)
        if text[at] != ":":
            raise BrokenError("a colon is missing at character %d" % (at + 1))
        value = scan_value(text, skip(text, at + 1))
        if any(member.key.value == key.value for member in members):
            raise BrokenError("key %s is there twice" % json.dumps(key.value))
        members.append(Member(key, value))
        at = skip(text, value.end)
        if text[at] == "}":
            return members, at + 1
        if text[at] != ",":
            raise BrokenError("a comma is missing at character %d" % (at + 1))
        at = skip(text, at + 1)


def scan_list(text, span):
    """The elements of the list at span."""
    elements = []
    at = skip(text, span.start + 1)
    while text[at] != "]":
        element = scan_value(text, at)
        elements.append(element)
        at = skip(text, element.end)
        if text[at] == ",":
            at = skip(text, at + 1)
    return elements


def scan_value(text, at):
    value, end = decoder().raw_decode(text, at)
    return Span(value, at, end)


def decoder():
    return json.JSONDecoder(object_pairs_hook=unique, parse_constant=refuse, parse_float=str, parse_int=str)


def unique(pairs):
    keys = [key for key, _ in pairs]
    for key in keys:
        if keys.count(key) > 1:
            raise BrokenError("key %s is there twice" % json.dumps(key))
    return dict(pairs)


def refuse(word):
    raise BrokenError("%s is not JSON" % word)


def skip(text, at):
    return SPACE.match(text, at).end()


def kind(value):
    if value is None:
        return "null"
    names = {list: "a list", dict: "an object", str: "a string or a number", bool: "true or false"}
    return names.get(type(value), "something else")


def entries(document, key):
    """The strings listed under key, None when the key is missing; raises BrokenError when it is no list of strings."""
    member = document.find(key)
    if member is None:
        return None
    span = member.value
    if document.text[span.start] != "[":
        raise BrokenError("%s is %s, not a list" % (json.dumps(key), kind(span.value)))
    for element in scan_list(document.text, span):
        if document.text[element.start] != '"':
            raise BrokenError("%s holds something that is not a string" % json.dumps(key))
    return list(span.value)


def add(text, key, new):
    """The text with the strings appended to the list under key, which is made where it is missing."""
    if not new:
        return text
    document = None if blank(text) else scan(text)
    if document is None or entries(document, key) is None:
        return set_list(text, key, new)
    span = document.find(key).value
    elements = scan_list(text, span)
    if not elements:
        return text[:span.start] + "[" + quoted(new) + "]" + text[span.end:]
    joint = element_joint(text, span, elements)
    last = elements[-1].end
    return text[:last] + "".join(joint + json.dumps(entry) for entry in new) + text[last:]


def set_list(text, key, new):
    """The text with just these strings in the list under key."""
    value = "[%s]" % quoted(new)
    if blank(text):
        return "{\n  %s: %s\n}\n" % (json.dumps(key), value)
    document = scan(text)
    member = document.find(key)
    if member is None:
        return add_member(document, key, value)
    return text[:member.value.start] + value + text[member.value.end:]


def quoted(strings):
    return ", ".join(json.dumps(string) for string in strings)


def element_joint(text, span, elements):
    """What stands between two elements in this file's own manner."""
    if len(elements) > 1:
        return text[elements[0].end:elements[1].start]
    lead = text[span.start + 1:elements[0].start]
    return "," + lead if "\n" in lead else ", "


def add_member(document, key, value):
    text = document.text
    member = "%s: %s" % (json.dumps(key), value)
    if not document.members:
        return text[:document.start] + "{\n  " + member + "\n}" + text[document.end:]
    lead = text[document.start + 1:document.members[0].key.start]
    last = document.members[-1].value.end
    joint = "," + lead if "\n" in lead else ", "
    return text[:last] + joint + member + text[last:]


def remove(text, key, old):
    """The text without the given strings in the list under key, each taken out once, the last such element first."""
    for entry in old:
        document = scan(text)
        member = document.find(key)
        if member is None:
            return text
        elements = scan_list(text, member.value)
        places = [place for place, element in enumerate(elements) if element.value == entry]
        if places:
            text = cut(text, [(e.start, e.end) for e in elements], places[-1], member.value.start, member.value.end)
    return text


def drop(text, key):
    """The text without the key."""
    document = scan(text)
    places = [place for place, member in enumerate(document.members) if member.key.value == key]
    if not places:
        return text
    spans = [(member.key.start, member.value.end) for member in document.members]
    return cut(text, spans, places[0], document.start, document.end)


def cut(text, spans, place, start, end):
    """Takes the item at place out of the comma-separated items between the brackets at start and end."""
    if len(spans) == 1:
        return text[:start + 1] + text[end - 1:]
    if place == 0:
        return text[:spans[0][0]] + text[spans[1][0]:]
    return text[:spans[place - 1][1]] + text[spans[place][1]:]
