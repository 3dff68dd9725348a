import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { clusterOf } from "../../../config/cluster";

describe("the cluster that kubectl would use", () => {
  const { HOME, KUBECONFIG } = process.env;
  let home: string;

  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), "pi-runners-cluster-"));
    process.env["HOME"] = home;
    delete process.env["KUBECONFIG"];
  });

  afterEach(() => {
    for (const [name, value] of Object.entries({ HOME, KUBECONFIG })) {
      if (value === undefined) {
        delete process.env[name];
      } else {
        process.env[name] = value;
      }
    }
    rmSync(home, { recursive: true });
  });

  const kubeconfig = (server: string): string =>
    stringify({
      ...{ apiVersion: "v1", kind: "Config", "current-context": "home" },
      clusters: [{ name: "home", cluster: { server } }],
      contexts: [{ name: "home", context: { cluster: "home", user: "me" } }],
      users: [{ name: "me", user: {} }],
    });

  it("is said to be none where there is no kubeconfig", async () => {
    await assert.rejects(clusterOf(undefined, undefined), /no kubeconfig: set KUBECONFIG, or give --kubeconfig FILE\./);
  });

  it("is that of KUBECONFIG, of the file in the home folder, or of the one that is given", async () => {
    const server = async (file?: string): Promise<string> =>
      (await clusterOf(file, undefined)).getCurrentCluster()!.server;
    mkdirSync(join(home, ".kube"));
    writeFileSync(join(home, ".kube/config"), kubeconfig("http://localhost:8080"));
    assert.equal(await server(), "http://localhost:8080");
    for (const name of ["set", "given"]) {
      writeFileSync(join(home, name), kubeconfig(`https://${name}:6443`));
    }
    process.env["KUBECONFIG"] = join(home, "set");
    assert.equal(await server(), "https://set:6443");
    assert.equal(await server(join(home, "given")), "https://given:6443");
  });
});
