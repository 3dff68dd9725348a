import fc from "fast-check";
import assert from "node:assert/strict";
import { Python } from "./python";

const key = "insecure-registries";
const python = new Python();
after(() => python.end());

/** White space as JSON allows it. */
const space = fc.stringMatching(/^[ \t\n\r]{0,4}$/);

/** Text of numbers that no reader may touch: large, exact, and in unusual spellings. */
const number = fc.constantFrom("0", "-0", "1e400", "12345678901234567890123", "0.1000", "1E+2", "-1.5e-7");

/** Text of any JSON value, in any layout. */
const { value } = fc.letrec<{ value: string; list: string; object: string }>((tie) => ({
  list: fc
    .array(
      fc.tuple(space, tie("value"), space).map((parts) => parts.join("")),
      { maxLength: 3 },
    )
    .map((items) => `[${items.join(",")}]`),
  object: objectOf(tie("value"), fc.string()),
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    number,
    text(fc.string({ unit: "binary" })),
    fc.constantFrom("true", "false", "null"),
    tie("list"),
    tie("object"),
  ),
}));

function text(strings: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const escaped = (string: string): string =>
    `"${[...string].map((letter) => (letter < "\u0080" && letter > " " && !'"\\'.includes(letter) ? letter : escape(letter))).join("")}"`;
  return fc.oneof(
    strings.map(escaped),
    strings.map((string) => JSON.stringify(string)),
  );
}

function escape(letter: string): string {
  return [...Array(letter.length).keys()]
    .map((index) => `\\u${letter.charCodeAt(index).toString(16).padStart(4, "0")}`)
    .join("");
}

function objectOf(values: fc.Arbitrary<string>, keys: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const member = fc.tuple(keys, values, space, space, space, space);
  return fc
    .tuple(fc.uniqueArray(member, { selector: ([name]) => name, maxLength: 4 }), space)
    .map(([members, inner]) =>
      members.length === 0
        ? `{${inner}}`
        : `{${members.map(([name, one, a, b, c, d]) => `${a}${JSON.stringify(name)}${b}:${c}${one}${d}`).join(",")}}`,
    );
}

/** A settings file: an object, often with our key in it, with white space around. */
const settings = fc
  .tuple(
    objectOf(
      value,
      fc.string().filter((name) => name !== key),
    ),
    fc.option(fc.array(fc.stringMatching(/^[a-z.:0-9]{1,8}$/), { maxLength: 3 })),
    space,
    space,
    fc.boolean(),
  )
  .map(
    ([object, list, before, after, first]) => before + (list === null ? object : withList(object, list, first)) + after,
  );

function withList(object: string, list: string[], first: boolean): string {
  const member = `"${key}" : [ ${list.map((one) => JSON.stringify(one)).join(" ,\n ")}]`;
  const inner = object.slice(1, -1);
  if (inner.trim() === "") {
    return `{${member}}`;
  }
  return first ? `{${member},${inner}}` : `{${inner},\n${member}}`;
}

const fresh = fc.uniqueArray(fc.stringMatching(/^[a-z]{1,6}\.new:[1-9]\d{0,3}$/), { minLength: 1, maxLength: 3 });
const parse = (json: string): Record<string, unknown> => JSON.parse(json) as Record<string, unknown>;
const runs = { numRuns: 300 };

describe("jsontext.py: edits of a settings file, for any file", () => {
  it("adding keeps everything else, and appends to the list in order", () =>
    fc.assert(
      fc.asyncProperty(settings, fresh, async (before, entries) => {
        const now = parse(await python.call<string>("jsontext", "add", before, key, entries));
        const old = parse(before);
        assert.deepEqual(now, { ...old, [key]: [...((old[key] as string[] | undefined) ?? []), ...entries] });
      }),
      runs,
    ));

  it("adding changes one place: every other byte stays", () =>
    fc.assert(
      fc.asyncProperty(settings, fresh, async (before, entries) => {
        const now = await python.call<string>("jsontext", "add", before, key, entries);
        let start = 0;
        while (start < before.length && before[start] === now[start]) {
          start++;
        }
        const rest = before.slice(start);
        const kept = now.endsWith(rest) || /^[\s\]}]*$/.test(rest.slice(0, rest.length - commonEnd(rest, now)));
        assert.ok(kept, `${JSON.stringify(before)} became ${JSON.stringify(now)}`);
      }),
      runs,
    ));

  it("removing what was added gives back every byte, where the list had entries", () =>
    fc.assert(
      fc.asyncProperty(settings, fresh, async (before, entries) => {
        fc.pre(
          (parse(before)[key] as string[] | undefined)?.length !== undefined &&
            (parse(before)[key] as string[]).length > 0,
        );
        const added = await python.call<string>("jsontext", "add", before, key, entries);
        assert.equal(await python.call<string>("jsontext", "remove", added, key, entries), before);
      }),
      runs,
    ));

  it("dropping the key that was added gives back every byte, where there were other keys", () =>
    fc.assert(
      fc.asyncProperty(settings, fresh, async (before, entries) => {
        fc.pre(!(key in parse(before)) && Object.keys(parse(before)).length > 0);
        const added = await python.call<string>("jsontext", "add", before, key, entries);
        assert.equal(await python.call<string>("jsontext", "drop", added, key), before);
      }),
      runs,
    ));

  it("emptying and dropping keep all other members", () =>
    fc.assert(
      fc.asyncProperty(settings, async (before) => {
        const { [key]: _, ...others } = parse(before);
        const emptied = await python.call<string>("jsontext", "set_list", before, key, []);
        assert.deepEqual(parse(emptied), { ...others, [key]: [] });
        assert.deepEqual(parse(await python.call<string>("jsontext", "drop", emptied, key)), others);
      }),
      runs,
    ));

  it("what is accepted is JSON for everybody: whatever JSON.parse refuses is refused", () =>
    fc.assert(
      fc.asyncProperty(fc.oneof(settings.chain(damaged), fc.string({ unit: "binary" })), async (text) => {
        const accepted = await python.call<string>("jsontext", "add", text, key, ["x"]).then(
          (now) => now,
          () => undefined,
        );
        if (accepted !== undefined && text.replaceAll("\ufeff", "").trim() !== "") {
          const plain = parse(text.replace(/^\ufeff/, ""));
          assert.equal(typeof plain, "object");
        }
      }),
      runs,
    ));

  it("duplicate keys are refused at every depth", () =>
    fc.assert(
      fc.asyncProperty(value, value, fc.integer({ min: 0, max: 4 }), async (one, two, depth) => {
        const twice = `{"a": ${one}, "a": ${two}}`;
        const nested = `${'{"b": ['.repeat(depth)}${twice}${"]}".repeat(depth)}`;
        await assert.rejects(python.call("jsontext", "add", nested, key, ["x"]), /is there twice/);
      }),
      runs,
    ));
});

function commonEnd(one: string, other: string): number {
  let length = 0;
  while (length < one.length && one[one.length - 1 - length] === other[other.length - 1 - length]) {
    length++;
  }
  return length;
}

/** The text with a piece cut out, doubled, or put somewhere. */
function damaged(text: string): fc.Arbitrary<string> {
  return fc
    .tuple(fc.nat(text.length), fc.nat(text.length), fc.constantFrom("", ",", "}", "]", "NaN", "//x", "'", "\u0000"))
    .map(([a, b, piece]) => text.slice(0, Math.min(a, b)) + piece + text.slice(Math.max(a, b)));
}
