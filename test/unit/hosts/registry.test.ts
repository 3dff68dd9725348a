import fc from "fast-check";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { addressError } from "../../../components/registryTrust/address";
import { registriesErrors, registryErrors, type Registry } from "../../../components/registryTrust/registry";

describe("registry addresses", () => {
  const good = [
    "registry.lan",
    "registry.lan:5000",
    "REGISTRY:1",
    "192.168.1.10:5000",
    "[fd00::10]:5000",
    "[fd00::10]",
    "192.168.0.0/16",
    "10.0.0.0/8",
    "fd00::/64",
    "a-b.c-d:65535",
    "a--b:1",
    "nas:5000",
    "localhost",
    "fe80::/64",
  ];
  for (const address of good) {
    it(`${address} is fine`, () => assert.equal(addressError(address), undefined));
  }

  const bad: [string, RegExp][] = [
    ["", /empty/],
    ["  ", /empty/],
    ["http://registry.lan:5000", /has a scheme \(http\).*write "registry\.lan:5000"/],
    ["https://registry.lan/v2/", /has a scheme.*write "registry\.lan"/],
    ["registry.lan:5000/group", /has a path \(\/group\).*write "registry\.lan:5000"/],
    ["registry.lan/", /has a path/],
    ["user@registry.lan", /user name/],
    ["registry.lan:", /port/],
    ["registry.lan:0", /port/],
    ["registry.lan:65536", /port/],
    ["registry.lan:http", /port/],
    ["registry lan:5000", /white space/],
    ["fd00::10", /without brackets; write "\[fd00::10\]"/],
    ["a:b:c", /more than one colon/],
    ["[x]:5000", /no IPv6 address/],
    ["300.1.1.1:5000", /looks like an IPv4 address/],
    ["-a.lan", /not a name/],
    ["a.b.", /not a name/],
    ["my_registry:5000", /no underscore/],
    ["a..b", /not a name/],
    ["192.168.0.0/33", /prefix length/],
    ["192.168.0.0/", /prefix length/],
    [".lan", /not a name/],
  ];
  for (const [address, words] of bad) {
    it(`${JSON.stringify(address)} is refused with the way out`, () =>
      assert.match(addressError(address) ?? "", words));
  }

  it("what is accepted never holds anything that a path, a shell or TOML would take for more than a name", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.webUrl(), fc.domain(), fc.ipV6()), (address) => {
        if (addressError(address) === undefined) {
          assert.match(address, /^[A-Za-z0-9._:[\]/-]+$/);
          assert.ok(!address.includes("..") && !address.startsWith("/"));
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe("registry addresses that only Docker itself refuses", () => {
  it("a name that no image name may have [8.10]", () => {
    assert.match(addressError("my_registry:5000")!, /"my_registry:5000" is not a name.*no underscore/);
    assert.match(addressError("[::ffff:10.0.0.1]:5000")!, /dots in its brackets.*write "10\.0\.0\.1:5000"/);
    assert.match(addressError("[fd00::1.2.3.4]:5000")!, /write "\[fd00::102:304\]:5000"/);
  });

  it("Docker Hub, which Docker never takes for insecure [8.10]", () => {
    for (const address of ["docker.io", "index.docker.io", "Docker.io"]) {
      assert.match(addressError(address)!, /is Docker Hub.*leave it out/);
    }
    assert.equal(addressError("registry-1.docker.io"), undefined);
  });

  it("a name without dot and port, whose images would be those of Docker Hub [8.10]", () => {
    assert.match(
      addressError("nas")!,
      /nas\/image would be an image of Docker Hub; write "nas:80" for HTTP, "nas:443"/,
    );
    assert.match(addressError("NAS")!, /image of Docker Hub/);
  });

  it("addresses with a zone, IPv4 networks in the form of IPv6 [8.23]", () => {
    assert.match(addressError("[fe80::1%eth0]:5000")!, /has a zone \(%eth0\), which no Docker takes/);
    assert.match(addressError("fe80::1%eth0/64")!, /has a zone \(%eth0\).*write "fe80::1\/64"/);
    assert.match(addressError("::ffff:10.0.0.0/104")!, /write "10\.0\.0\.0\/8"/);
  });

  it("an IPv6 address without port, insecure: Docker 20.10 refuses it [8.10]", () => {
    assert.match(reasons({ address: "[fd00::10]", insecure: true }), /address: .*write "\[fd00::10\]:80"/);
    assert.equal(reasons({ address: "[fd00::10]" }), "");
  });
});

/** What is wrong with these registries, a line each. */
function reasons(...registries: Registry[]): string {
  return registriesErrors(registries)
    .map(({ propertyPath, reason }) => `${propertyPath}: ${reason}`)
    .join("\n");
}

describe("one registry listed twice", () => {
  const twice = (...addresses: string[]): string =>
    reasons(...addresses.map((address) => ({ address, insecure: true })));

  it("one network in two spellings is one entry, as for Docker [8.18]", () => {
    assert.equal(
      twice("172.30.99.0/24", "172.30.99.7/24"),
      '[1].address: "172.30.99.7/24" is the same network as "172.30.99.0/24" of registries[0]; list it once',
    );
    assert.match(twice("fd00::/64", "r.lan:1", "FD00:0:0::7/64"), /^\[2\]\.address: .*"fd00::\/64" of registries\[0\]/);
    assert.match(twice("r.lan:1", "r.lan:1"), /^\[1\]\.address: "r\.lan:1" is the address of registries\[0\] too/);
  });

  it("networks that differ in length or kind, and hosts that differ in a letter, are two", () => {
    assert.equal(twice("10.0.0.0/8", "10.0.0.0/9", "::/8", "0.0.0.0/8", "r.lan:1", "R.lan:1", "r.lan:2"), "");
  });

  it("two addresses of one network are always found, those of two never", () =>
    fc.assert(
      fc.property(fc.ipV4(), fc.ipV4(), fc.integer({ min: 0, max: 32 }), (one, two, bits) => {
        const number = (ip: string): number => ip.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
        const same = Math.floor(number(one) / 2 ** (32 - bits)) === Math.floor(number(two) / 2 ** (32 - bits));
        assert.equal(twice(`${one}/${bits}`, `${two}/${bits}`) !== "", same);
      }),
      { numRuns: 500, examples: [["10.0.0.1", "10.0.0.2", 0]] },
    ));

  it("whatever is given, an answer comes", () =>
    fc.assert(fc.property(fc.array(fc.oneof(fc.string(), fc.ipV6(), fc.webUrl())), (list) => void twice(...list))));
});

describe("registry settings", () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "pi-runners-ca-"));
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x"];
    execFileSync("openssl", ["req", "-x509", ...key, "-keyout", "key", "-out", "crt"], { cwd: folder, stdio: "pipe" });
  });
  after(() => rmSync(folder, { recursive: true }));
  const address = "registry.lan";

  const reason = (registry: Registry): string | undefined => registryErrors(registry)[0]?.reason;

  it("a CA certificate is fine", () =>
    assert.equal(reason({ address, ca: readFileSync(join(folder, "crt"), "utf8") }), undefined));

  it("a key instead of a CA is refused, and not shown", () => {
    const key = readFileSync(join(folder, "key"), "utf8");
    const problem = reason({ address, ca: key })!;
    assert.match(problem, /holds a private key/);
    assert.ok(!problem.includes(key.split("\n")[1]!));
  });

  it("no certificate at all, and a damaged one, are refused", () => {
    assert.match(reason({ address, ca: "hello" })!, /is not a PEM certificate/);
    const damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";
    assert.match(reason({ address, ca: damaged })!, /certificate 1 cannot be read/);
  });

  it("insecure and ca exclude each other; a network can only be insecure", () => {
    assert.match(reason({ address, insecure: true, ca: "x" })!, /excludes ca/);
    assert.match(reason({ address: "10.0.0.0/8" })!, /which can only be insecure/);
  });
});
