import fc from "fast-check";
import assert from "node:assert/strict";
import { parse as parseToml } from "smol-toml";
import { parse as parseYaml } from "yaml";
import { Python } from "./python";

const python = new Python(__dirname);
after(() => python.end());

/** What one event came to. */
interface Told {
  text?: string | null;
  error?: string;
  fix?: string;
  trusted?: string[];
  warnings?: string[];
}
interface Played {
  told: Told[];
  beside: string[];
  ledger: string[];
}
type Kind = "k3s" | "buildkit";
type Event = ["apply" | "old", string, string[]] | ["moved", string, string[], string] | ["write", string, string?];
type Tree = Record<string, unknown>;

const play = (kind: Kind, start: string | null, events: Event[]) =>
  python.call<Played>("settingsFiles", "play", kind, start, events);

/** A document as another reader sees it, without top-level keys that say nothing; undefined where it is none. */
function read(kind: Kind, text: string | null | undefined): Tree | undefined {
  try {
    const document = (
      kind === "k3s" ? parseYaml(text ?? "", { schema: "failsafe" }) : parseToml(text ?? "")
    ) as unknown;
    const plain = JSON.parse(
      JSON.stringify(document || {}, (_, value: unknown) => (typeof value === "bigint" ? `${value}` : value)),
    ) as Tree;
    assert.ok(typeof plain === "object" && !Array.isArray(plain));
    const empty = ["", "{}", "null", '""', '"null"', '"~"'];
    return Object.fromEntries(Object.entries(plain).filter(([, value]) => !empty.includes(JSON.stringify(value))));
  } catch {
    return undefined;
  }
}

/** Their settings with ours for one insecure registry. */
function withOurs(kind: Kind, theirs: Tree, address: string): Tree {
  const ours: Record<string, Tree> =
    kind === "k3s"
      ? {
          mirrors: { [address]: { endpoint: [`https://${address}`, `http://${address}`] } },
          configs: { [address]: { tls: { insecure_skip_verify: "true" } } },
        }
      : { registry: { [address]: { http: true, insecure: true } } };
  const both = Object.entries(ours).map(([key, value]) => [key, { ...(theirs[key] as Tree), ...value }]);
  return { ...theirs, ...(Object.fromEntries(both) as Tree) };
}

const address = "ours.lan:1";
const hand = ["docker.io", '"hand.lan:5000"', "'x y'", "*.lan", "a-b"];

/** Lines as they stand in registries.yaml, in any order: often a document, often not. */
const yamlLine = fc.oneof(
  fc.constantFrom(
    ...["mirrors:", "configs:", "mirrors: {}", "configs: {} # none", "mirrors: null", "configs: ~", '"mirrors":'],
    ...[
      "# by hand",
      "",
      "---",
      "  # further in",
      "other: value",
      "auth: {a: b, c: [d, 'e']}",
      "mirrors: {a: {endpoint: [x]}}",
    ],
    ...["  endpoint:", "    - http://x:1", '    endpoint: [http://x, "y"]', "    rewrite:", '      "^(.*)$": "lib/$1"'],
    ...[
      "    auth:",
      "      username: u",
      "      password: 'it''s # it'",
      "    tls: {}",
      "- a",
      "\ta: b",
      "  a: &x 1",
      "  b: *x",
    ],
    ...[
      "  <<: {a: b}",
      "  a: |",
      "    text",
      "  a: !tag b",
      "a: b: c",
      "  ? a",
      "%YAML 1.2",
      "...",
      'a: "b',
      "mirrors :",
      "{}",
    ],
    ...[`  ${address}:`, `  "${address}":`],
  ),
  fc.constantFrom(...hand).map((name) => `  ${name}:`),
);
const tomlLine = fc.constantFrom(
  ...[
    "debug = true",
    "[worker.oci]",
    "  enabled = true",
    "# by hand",
    "",
    "[registry]",
    '[registry."hand.lan:5000"]',
    "[registry.host]",
  ],
  ...[
    "  http = true",
    "  mirrors = [\"a\", 'b'] # c",
    "  ca = [",
    '  "x",',
    "  ]",
    "registry.x.http = true",
    "registry = {}",
    '"a b" = 1_000',
  ],
  ...[
    'registry = { "x" = { http = true } }',
    "[[registry.list]]",
    "a.b.c = 1979-05-27T07:32:00Z",
    'text = """',
    '"""',
    "x = 'y'",
    "[a",
    "= 1",
  ],
  ...[
    `[registry."${address}"]`,
    `[ registry . '${address}' ]`,
    `[registry."${address}".x]`,
    `registry."${address}".http = true`,
    "x = 0x1f",
  ],
);
const line = (kind: Kind) => (kind === "k3s" ? yamlLine : tomlLine);

/** Files as they are mostly, for edits that come later. */
const starts: Record<Kind, (string | null)[]> = {
  k3s: [
    ...[null, "", "mirrors: {}\n", "mirrors:\n", "# by hand\nother: value"],
    'mirrors:\n    docker.io:\n        endpoint:\n            - "https://mirror.lan"\n',
    "configs:\r\n  hand.lan:\r\n    auth: {username: u, password: p}\r\nmirrors: {} # none\r\n",
  ],
  buildkit: [
    null,
    "",
    "debug = true",
    '[registry."hand.lan"]\n  http = true\n',
    "[worker.oci]\r\n  enabled = true\r\n",
  ],
};
/** What people add to them. */
const additions: Record<Kind, string[]> = {
  k3s: [
    ...[
      "# more",
      "",
      "more: value",
      "  more.lan:\n    endpoint:\n      - http://more.lan",
      "    more.lan:\n        auth: {username: u}",
    ],
    ...["    auth:\n      username: u", "configs:\n  more.lan:\n    auth: {username: u}", "mirrors:\n  more.lan: {}"],
  ],
  buildkit: [
    "# more",
    "",
    "more = true",
    '[registry."more.lan"]\n  http = true',
    "[more]",
    `[registry."${address}".more]`,
  ],
};

const ends = fc.constantFrom("\n", "\n", "\r\n");
const document = (kind: Kind) =>
  fc
    .tuple(fc.array(line(kind), { maxLength: 9 }), ends, fc.boolean())
    .map(([lines, end, last]) => lines.join(end) + (last && lines.length > 0 ? end : ""));

for (const kind of ["k3s", "buildkit"] as const) {
  const file = { k3s: "registries.yaml", buildkit: "buildkitd.toml" }[kind];
  const module = { k3s: "yamltext", buildkit: "tomltext" }[kind];

  describe(`${file}: any document (read by other readers too)`, () => {
    it("what our reader takes, others read as the same", async () => {
      let taken = 0;
      await fc.assert(
        fc.asyncProperty(document(kind), async (text) => {
          const ours = await python.call<Tree>(module, "read", text).catch(() => undefined);
          if (ours === undefined) {
            return;
          }
          taken++;
          const theirs = kind === "k3s" ? (parseYaml(text, { schema: "failsafe" }) as Tree | null) : parseToml(text);
          assert.deepEqual(alike(ours), alike(theirs ?? {}));
        }),
        { numRuns: 1000 },
      );
      assert.ok(taken > 100, `only ${taken} documents were taken`);
    }).timeout(60_000);

    it(`theirs stays the same, ours is there, and after removal the bytes are those of before [8.1] [8.2] [8.4]`, async () => {
      let written = 0;
      await fc.assert(
        fc.asyncProperty(fc.option(document(kind)), async (start) => {
          const { told, beside, ledger } = await play(kind, start, [
            ["apply", "a", [address]],
            ["apply", "a", [address]],
            ["apply", "a", []],
          ]);
          const [first, second, last] = told as [Told, Told, Told];
          if (first.error !== undefined) {
            assert.match(first.error, /cannot be edited safely|by hand/);
          } else {
            written++;
            const theirs = read(kind, start);
            assert.ok(theirs !== undefined, "edited although no reader takes it");
            assert.deepEqual(sorted(read(kind, first.text)), sorted(withOurs(kind, theirs, address)));
            assert.equal(second.text, first.text);
            assert.equal(last.text, start);
          }
          assert.deepEqual(ledger, []);
          assert.deepEqual(beside, start === null ? [] : [file]);
        }),
        { numRuns: 300 },
      );
      assert.ok(written > 50, `only ${written} documents were edited`);
    }).timeout(60_000);

    it("edits by hand while ours is there are kept, or stop the run before anything is written [8.1]", async () => {
      let edited = 0;
      const added = fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...additions[kind]) }, line(kind));
      const edits = fc.array(fc.tuple(fc.nat(30), added), { minLength: 1, maxLength: 3 });
      await fc.assert(
        fc.asyncProperty(fc.constantFrom(...starts[kind]), edits, fc.boolean(), async (start, lines, again) => {
          const applied = (await play(kind, start, [["apply", "a", [address]]])).told[0]!;
          if (applied.error !== undefined || applied.text === null) {
            return;
          }
          const text = insert(applied.text!, lines);
          const { told, ledger } = await play(kind, start, [
            ["apply", "a", [address]],
            ["write", text],
            ...(again ? [["apply", "a", [address, "second.lan:2"]] as Event] : []),
            ["apply", "a", []],
          ]);
          assert.ok(told.every(({ error }) => error === undefined || !error.startsWith("WRITTEN")));
          if (told.some(({ error }) => error !== undefined)) {
            return;
          }
          edited++;
          const theirs = read(kind, text);
          assert.ok(theirs !== undefined, "edited although no reader takes it");
          assert.deepEqual(sorted(withOurs(kind, read(kind, told.at(-1)!.text)!, address)), sorted(theirs));
          assert.deepEqual(ledger, []);
        }),
        { numRuns: 300 },
      );
      assert.ok(edited > 20, `only ${edited} edits were taken`);
    }).timeout(60_000);
  });
}

/** Lines put into a text, each after a line of it. */
function insert(text: string, lines: [number, string][]): string {
  const all = text.split("\n");
  for (const [place, line] of lines) {
    all.splice(place % (all.length + 1), 0, line);
  }
  return all.join("\n");
}

/** Nothing, empty text, and numbers written as text are told apart by one reader and not by the other. */
function alike(value: unknown): unknown {
  if (value === null || value === undefined || value === "") {
    return "";
  }
  if (typeof value === "boolean") {
    return value;
  }
  if (value instanceof Date) {
    return "date";
  }
  if (Array.isArray(value)) {
    return value.map(alike);
  }
  if (typeof value !== "object") {
    const text = String(value).replaceAll("_", "");
    return /^\d{4}-\d\d-\d\d/.test(text) ? "date" : text;
  }
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, alike(one)]));
}

/** The same, with keys in order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.map(sorted);
  }
  if (typeof value !== "object" || value === null) {
    return value;
  }
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted((value as Tree)[key])]),
  );
}

describe("registries.yaml: what people do to it", () => {
  const block = async (): Promise<string> => (await play("k3s", null, [["apply", "a", ["r:1"]]])).told[0]!.text!;

  it("an entry below a key that we made stays, and keeps the key, at the next apply and after removal [8.1]", async () => {
    const text = (await block())
      .replace(
        "# end pi-runners\nconfigs",
        "# end pi-runners\n  docker.io:\n    endpoint: [https://mirror.lan]\nconfigs",
      )
      .concat("  hand.lan:\n    auth: {username: u, password: p}\n");
    const { told } = await play("k3s", null, [
      ["apply", "a", ["r:1"]],
      ["write", text],
      ["apply", "a", ["r:1", "s:2"]],
      ["apply", "a", []],
    ]);
    assert.deepEqual(Object.keys((parseYaml(told[2]!.text!) as { mirrors: object }).mirrors), [
      "r:1",
      "s:2",
      "docker.io",
    ]);
    assert.equal(
      told[3]!.text,
      "mirrors:\n  docker.io:\n    endpoint: [https://mirror.lan]\nconfigs:\n  hand.lan:\n    auth: {username: u, password: p}\n",
    );
  });

  it("something added between our marks stops the run, at apply and at removal, and says where to put it [8.1]", async () => {
    const text = (await block()).replace("  tls:\n", "  auth: {username: u, password: p}\n    tls:\n");
    const events: Event[] = [
      ["apply", "a", ["r:1"]],
      ["write", text],
      ["apply", "a", ["r:1", "s:2"]],
      ["apply", "a", []],
    ];
    const { told } = await play("k3s", null, events);
    assert.match(told[2]!.error!, /between the marks.*changed by hand; move what is yours below the second one/);
    assert.match(told[3]!.error!, /changed by hand/);
  });

  it("braces, comments and CRLF: read whole again, and given back byte for byte [8.2]", async () => {
    const start = "mirrors: {} # none\r\nconfigs: {}\r\n";
    const { told } = await play("k3s", start, [
      ["apply", "a", ["r:1"]],
      ["apply", "a", []],
    ]);
    assert.ok(read("k3s", told[0]!.text) !== undefined);
    assert.ok(!/[^\r]\n/.test(told[0]!.text!), "a line lost its CR");
    assert.equal(told[1]!.text, start);
  });

  it("a registry named by hand: trusted if that says what the stack wants, refused if not [8.3]", async () => {
    const auth = 'configs:\n  "r:1":\n    auth: {username: u}\n';
    const refused = (await play("k3s", auth, [["apply", "a", ["r:1"]]])).told[0]!;
    assert.match(refused.error!, /names r:1 by hand under configs, and says something else/);
    assert.match(refused.fix!, /insecure_skip_verify: true/);
    const enough = `${auth}    tls: {insecure_skip_verify: true}\n`;
    const { told } = await play("k3s", enough, [
      ["apply", "a", ["r:1"]],
      ["apply", "a", []],
    ]);
    assert.deepEqual(told[0]!.trusted, ["r:1"]);
    assert.deepEqual(Object.keys((parseYaml(told[0]!.text!) as { mirrors: object }).mirrors), ["r:1"]);
    assert.equal(told[1]!.text, enough);
  });

  it("with our part taken out by hand, removal still takes the CA files and the ledger [8.3]", async () => {
    const played = await play("k3s", null, [
      ["apply", "a", ["r:1=x"]],
      ["write", ""],
      ["apply", "a", []],
    ]);
    assert.deepEqual([played.beside, played.ledger], [["registries.yaml"], []]);
  });

  for (const kind of ["k3s", "buildkit"] as const) {
    it(`${kind}: two stacks, and a CA that is renewed: either goes first [8.6]`, async () => {
      const { told, beside, ledger } = await play(kind, null, [
        ["apply", "a", ["r:1=old"]],
        ["apply", "b", ["r:1=old"]],
        ["apply", "b", ["r:1=new"]],
        ["apply", "a", ["r:1=new"]],
        ["apply", "a", []],
        ["apply", "b", []],
      ]);
      assert.deepEqual(told.map(({ error }) => error).filter(Boolean), []);
      assert.equal(told[4]!.text, told[3]!.text);
      assert.equal(told[3]!.text!.match(/pi-runners-\w+\.crt/g)?.length, 1);
      assert.deepEqual([beside, ledger], [[], []]);
    });

    it(`${kind}: from insecure to a CA with two stacks: insecure until both have changed, and told so [8.6]`, async () => {
      const { told } = await play(kind, null, [
        ["apply", "a", ["r:1"]],
        ["apply", "b", ["r:1"]],
        ["apply", "a", ["r:1=ca"]],
        ["apply", "b", ["r:1=ca"]],
      ]);
      assert.match(
        told[2]!.warnings!.join(),
        /r:1 stays insecure.*as b wants it so. Change it there as well; the order does not matter/,
      );
      assert.match(told[2]!.text!, /insecure/);
      assert.deepEqual(told[3]!.warnings, []);
      assert.ok(!told[3]!.text!.includes("insecure") && told[3]!.text!.includes(".crt"));
    });

    for (const [first, second] of [
      ["a", "n"],
      ["n", "a"],
    ] as const) {
      it(`${kind}: another stack is still of the release before: each goes, in any order (${first} first) [8.6]`, async () => {
        // "n" is updated, "a" is not: its program knows nothing of what the new one notes in the ledger.
        const run = (owner: string, registries: string[]): Event => [
          owner === "n" ? "apply" : "old",
          owner,
          registries,
        ];
        const { told, beside, ledger } = await play(kind, null, [
          run(first, ["r1:1"]),
          run(second, ["r2:2"]),
          run("n", [first === "n" ? "r1:1" : "r2:2"]),
          run("a", []),
          ["apply", "n", []],
        ]);
        assert.deepEqual(told.map(({ error }) => error).filter(Boolean), []);
        assert.deepEqual([beside, ledger], [[], []]);
      });
    }

    it(`${kind}: a comment between the marks stops the run even where the release before wrote the rest`, async () => {
      const old = (await play(kind, null, [["old", "a", ["r1:1"]]])).told[0]!.text!;
      const { told } = await play(kind, null, [
        ["old", "a", ["r1:1"]],
        ["write", old.replace(/( *)# end pi-runners/, "$1# mine\n$&")],
        ["apply", "a", []],
      ]);
      assert.match(told[2]!.error!, /was changed by hand/);
    });

    it(`${kind}: told to read another file of the folder, the service keeps the CA that this one names [8.9]`, async () => {
      const { told, beside } = await play(kind, null, [
        ["apply", "a", ["r:1=x"]],
        ["moved", "a", ["r:1=x"], "other"],
        ["apply", "a", []],
      ]);
      assert.deepEqual(told.map(({ error }) => error).filter(Boolean), []);
      assert.equal(beside[0], "other");
      assert.match(beside[1] ?? "", /^pi-runners-\w+\.crt$/);
    });

    it(`${kind}: a CA file changed by hand is neither overwritten nor left behind in silence [8.21]`, async () => {
      const applied = (await play(kind, null, [["apply", "a", ["r:1=x"]]])).told[0]!.text!;
      const name = /pi-runners-\w+\.crt/.exec(applied)![0];
      const { told } = await play(kind, null, [
        ["apply", "a", ["r:1=x"]],
        ["write", "edited", name],
        ["apply", "a", ["r:1=x"]],
        ["apply", "a", []],
      ]);
      for (const { error, fix } of told.slice(2)) {
        assert.match(error!, /pi-runners-\w+\.crt was changed by hand/);
        assert.match(fix!, /Move it away, or delete it/);
      }
    });
  }
});

describe("buildkitd.toml: what people do to it", () => {
  for (const [name, text] of [
    ["a table without quotes", "[registry.host]\n  http = true\n"],
    ["an inline table", "registry = { host = { http = true } }\n"],
    ["dotted keys", "registry.host.http = true\n"],
    ["a table in single quotes", "[ registry . 'host' ]\n  http = true\n"],
  ] as const) {
    it(`${name} that names the registry: no second one, and refused as it says something else [8.4]`, async () => {
      const { told } = await play("buildkit", text, [["apply", "a", ["host"]]]);
      assert.match(told[0]!.error!, /names host by hand under registry, and says something else/);
    });

    it(`${name} that says enough: trusted, nothing written [8.4]`, async () => {
      const enough = text
        .replace("http = true", text.includes("{") ? "http = true, insecure = true" : "http = true")
        .concat(
          text.includes("{") ? "" : text.includes("[") ? "  insecure = true\n" : "registry.host.insecure = true\n",
        );
      const { told } = await play("buildkit", enough, [
        ["apply", "a", ["host"]],
        ["apply", "a", []],
      ]);
      assert.deepEqual(told[0]!.trusted, ["host"]);
      assert.deepEqual(
        told.map((one) => one.text),
        [enough, enough],
      );
    });
  }

  it("a line added below our part, which would belong to our last table, stops the run [8.4]", async () => {
    const applied = (await play("buildkit", null, [["apply", "a", ["r:1"]]])).told[0]!.text!;
    const { told } = await play("buildkit", null, [
      ["apply", "a", ["r:1"]],
      ["write", `${applied}debug = true\n`],
      ["apply", "a", []],
    ]);
    assert.match(told[2]!.error!, /what stands below our part belongs to it/);
  });
});
