import fc from "fast-check";
import assert from "node:assert/strict";
import { Python } from "./python";

const python = new Python();
after(() => python.end());

const accepted = (entry: string): Promise<boolean> => python.call("docker_entries", "accepted", entry);
const nameOf = (entry: string): Promise<string> => python.call("docker_entries", "name", entry);

describe("docker_entries.py: entries of insecure-registries as Docker understands them", () => {
  const taken = [
    ..."r r:1 r.lan r.lan:5000 1.2.3.4 1.2.3.4:80 10.0.0.0/8 10.1.2.3/8 ::1/128 fe80::/64 [::1]:5000 ::1".split(" "),
    ..."http://r.lan:5000 HTTPS://r.lan a-b.c-d:65535 R.Lan".split(" "),
  ];
  for (const entry of taken) {
    it(`takes ${entry}`, async () => assert.equal(await accepted(entry), true));
  }

  const refused = [
    ..."r.lan:5000/ r.lan/group my_registry:5000 r:65536 r:99999 r: -r r- ftp://r http://http://r".split(" "),
    ..."[fe80::1%eth0]:5000 fe80::1%eth0/64 ::ffff:10.0.0.0/104 10.0.0.0/33 10.0.0/8 10.0.0.0/255.0.0.0 [::1] r..lan".split(
      " ",
    ),
    "",
    " r",
    "r\n",
    "r lan",
  ];
  for (const entry of refused) {
    it(`refuses ${JSON.stringify(entry)}`, async () => assert.equal(await accepted(entry), false));
  }

  it("one network has one name in all its spellings, and a name is its own name [8.18]", () =>
    fc.assert(
      fc.asyncProperty(fc.nat(0xffffff), fc.integer({ min: 8, max: 30 }), fc.nat(), async (address, bits, other) => {
        const base = 0x0a000000 + address;
        const dotted = (value: number): string =>
          [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
        const size = 2 ** (32 - bits);
        const first = Math.floor(base / size) * size;
        const network = `${dotted(first)}/${bits}`;
        assert.equal(await nameOf(`${dotted(base)}/${bits}`), network);
        assert.equal(await nameOf(`http://${dotted(first + (other % size))}/${bits}`), network);
        assert.equal(await nameOf(network), network);
      }),
    ));

  it("any text has a name, and is taken or not, without an error", () =>
    fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.string({ unit: "binary" }), fc.stringMatching(/^[a-z0-9:./[\]%-]*$/)),
        async (text) => {
          assert.equal(typeof (await nameOf(text)), "string");
          assert.equal(typeof (await accepted(text)), "boolean");
        },
      ),
    ));
});
