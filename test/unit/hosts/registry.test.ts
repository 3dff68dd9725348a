import fc from "fast-check";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { registryProblem, registrySettingProblem } from "../../../components/registryTrust/registry";

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
    "my_registry:5000",
    "a-b.c-d:65535",
  ];
  for (const address of good) {
    it(`${address} is fine`, () => assert.equal(registryProblem(address), undefined));
  }

  const bad: [string, RegExp][] = [
    ["", /empty/],
    ["  ", /empty/],
    ["http://registry.lan:5000", /has a scheme \(http\).*Write "registry\.lan:5000"/],
    ["https://registry.lan/v2/", /has a scheme.*Write "registry\.lan"/],
    ["registry.lan:5000/group", /has a path \(\/group\).*write "registry\.lan:5000"/],
    ["registry.lan/", /has a path/],
    ["user@registry.lan", /user name/],
    ["registry.lan:", /port/],
    ["registry.lan:0", /port/],
    ["registry.lan:65536", /port/],
    ["registry.lan:http", /port/],
    ["registry lan:5000", /white space/],
    ["fd00::10", /needs brackets/],
    ["a:b:c", /more than one colon/],
    ["[x]:5000", /no IPv6 address/],
    ["300.1.1.1:5000", /looks like an IPv4 address/],
    ["-a.lan", /not a name/],
    ["a..b", /not a name/],
    ["192.168.0.0/33", /prefix length/],
    ["192.168.0.0/", /prefix length/],
    [".lan", /not a name/],
  ];
  for (const [address, words] of bad) {
    it(`${JSON.stringify(address)} is refused with the way out`, () =>
      assert.match(registryProblem(address) ?? "", words));
  }

  it("what is accepted never holds anything that a path, a shell or TOML would take for more than a name", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.webUrl(), fc.domain(), fc.ipV6()), (address) => {
        if (registryProblem(address) === undefined) {
          assert.match(address, /^[A-Za-z0-9._:[\]/-]+$/);
          assert.ok(!address.includes("..") && !address.startsWith("/"));
        }
      }),
      { numRuns: 2000 },
    );
  });
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

  it("a CA certificate is fine", () =>
    assert.equal(registrySettingProblem({ address, ca: readFileSync(join(folder, "crt"), "utf8") }), undefined));

  it("a key instead of a CA is refused, and not shown", () => {
    const key = readFileSync(join(folder, "key"), "utf8");
    const problem = registrySettingProblem({ address, ca: key })!;
    assert.match(problem, /holds a private key: registry registry\.lan/);
    assert.ok(!problem.includes(key.split("\n")[1]!));
  });

  it("no certificate at all, and a damaged one, are refused", () => {
    assert.match(registrySettingProblem({ address, ca: "hello" })!, /not a PEM certificate/);
    const damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";
    assert.match(registrySettingProblem({ address, ca: damaged })!, /Certificate 1 of the ca cannot be read/);
  });

  it("insecure and ca exclude each other; a network can only be insecure", () => {
    assert.match(registrySettingProblem({ address, insecure: true, ca: "x" })!, /exclude each other/);
    assert.match(registrySettingProblem({ address: "10.0.0.0/8" })!, /can only be insecure/);
  });
});
