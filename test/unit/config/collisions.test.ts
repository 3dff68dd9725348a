import assert from "node:assert/strict";
import { nodeOf, stackOf } from "./stackFile";

type Runner = Parameters<typeof stackOf>[0][number];

const dood = (name: string, settings: object = {}): Runner => ({ name, way: "dood", ...settings });
const dind = (name: string, settings: object = {}): Runner => ({ name, way: "dind", ...settings });
const resident = (name: string, settings: object = {}): Runner => ({ name, way: "dind-resident", ...settings });
const pods = (name: string, settings: object = {}): Runner => ({ name, way: "kubernetes", ...settings });
const shell = (name: string, settings: object = {}): Runner => ({
  ...{ name, way: "shell", hosts: ["pi1"] },
  ...settings,
});

const volume = (text: string): object => ({ config: { runners: [{ docker: { volumes: [text] } }] } });
const engines = "/var/lib/pi-runners/gitlab-runners";
const mirror = (hostFolder: string): object => ({
  mirror: { enabled: true, hostFolder, nodeSelector: { "kubernetes.io/hostname": "pi1" } },
});

/** What is refused, each with the key that is named and what is said of it. */
const refused: [what: string, runners: Runner[], key: string, reason: RegExp, others?: object][] = [
  ["two runners of one name", [dood("a"), dind("a")], "runners[1].name", /name of runners\[0\]/],
  ["a name of the mirror's", [dind("registry-mirror")], "mirror.enabled", /one name/, mirror("/mnt/mirror")],
  ["a name too long for its objects", [dood("a".repeat(53))], "runners[0].name", /longer than 52/],
  ["a name that is a unit of an installation", [shell("install-a")], "runners[0].name", /install-/],
  [
    "the namespace that is trust's folder",
    [dood("a")],
    "namespace",
    /folder of registry trust/,
    { namespace: "trust" },
  ],
  [
    "runners whose names and hosts make one name",
    [shell("a", { hosts: ["b-c"] }), shell("a-b", { hosts: ["c"], metricsPort: 9300 })],
    "runners[1].name",
    /runner a makes .*\(a-b-c\).*rename/,
    { nodes: [nodeOf("b-c"), nodeOf("c")] },
  ],
  [
    "runners whose names and nodes make one name",
    [dood("a"), dind("a-cleanup")],
    "runners[1].name",
    /runner a makes .*\(a-cleanup-cleanup-b\)/,
    { nodes: [nodeOf("cleanup-b"), nodeOf("b")] },
  ],
  ["a metrics port that a host's other runner has", [shell("a"), shell("b")], "runners[1].metricsPort", /runner a /],
  [
    "two versions of one package on a host",
    [shell("a", { packageVersion: "19.3.0-1" }), shell("b", { packageVersion: "19.4.0-1", metricsPort: 9300 })],
    "runners[1].packageVersion",
    /runner a wants the package in version 19\.3\.0-1/,
  ],
  ["a host that is named twice", [shell("a", { hosts: ["pi1", "pi1"] })], "runners[0].hosts[1]", /twice/],
  [
    "two nodes with one address, however it is written",
    [dood("a")],
    "nodes[1].host",
    /address of nodes\[0\]/,
    { nodes: [nodeOf("pi1", { host: "pi.lan" }), nodeOf("pi2", { host: "PI.lan." })] },
  ],
  [
    "an engine in the node's own",
    [resident("a", { engineFolder: "/var/lib/docker/b" })],
    "runners[0].engineFolder",
    /node/,
  ],
  ["the same by way of /var/run", [resident("a", { engineFolder: "/var/run/b" })], "runners[0].engineFolder", /node/],
  ["the same by a dot", [resident("a", { engineFolder: "/var/lib/./docker" })], "runners[0].engineFolder", /node/],
  ["the same by ..", [resident("a", { engineFolder: "/var/lib/x/../docker" })], "runners[0].engineFolder", /"\.\."/],
  [
    "the same by the name of the namespace",
    [resident("a", { engineFolder: "/var/lib" })],
    "runners[0].engineFolder",
    /node/,
    { namespace: "docker" },
  ],
  [
    "an engine in the folder of another runner",
    [resident("a", { engineFolder: `${engines}/b` }), dood("b")],
    "runners[0].engineFolder",
    /\/b is runner b's/,
  ],
  [
    "an engine in the checkouts of its own runner",
    [resident("a", { engineFolder: `${engines}/a/builds` })],
    "runners[0].engineFolder",
    /\/a is runner a's/,
  ],
  [
    "an engine in the engine of another runner",
    [
      resident("a", { engineFolder: "/mnt/ssd" }),
      resident("b", { engineFolder: "/mnt/ssd/gitlab-runners/a/engine/overlay2" }),
    ],
    "runners[1].engineFolder",
    /\/a\/engine is runner a's engine's/,
  ],
  [
    "the same the other way round",
    [resident("b", { engineFolder: "/mnt/ssd/gitlab-runners/a/engine" }), resident("a", { engineFolder: "/mnt/ssd" })],
    "runners[0].engineFolder",
    /runner a's engine's/,
  ],
  [
    "an engine in the ledger of trust",
    [resident("a", { engineFolder: "/var/lib/pi-runners/trust" })],
    "runners[0].engineFolder",
    /trust is not the runners'/,
  ],
  [
    "an engine in the checkouts of shell runners",
    [resident("a", { engineFolder: "/var/lib/pi-runners/shell_builds/b" })],
    "runners[0].engineFolder",
    /shell_builds is not the runners'/,
  ],
  [
    "the mirror in the folder of engines",
    [resident("a", { engineFolder: "/mnt/ssd" })],
    "mirror.hostFolder",
    /is in \/mnt\/ssd/,
    mirror("/mnt/./ssd/mirror"),
  ],
  ["the mirror in the ledger of trust", [pods("a")], "mirror.hostFolder", /trust/, mirror("/var/lib/pi-runners/trust")],
  ["the mirror's folder by ..", [dind("a")], "mirror.hostFolder", /"\.\."/, mirror("/mnt/mirror/../../var/lib")],
  [
    "a folder of the node for the daemons of several jobs",
    [dind("a", volume("/srv/layers:/var/lib/docker/"))],
    "runners[0].config.runners[0].docker.volumes[0]",
    /shared by the daemons/,
  ],
  [
    "a volume with a name for the daemons of several jobs",
    [dind("a", volume("layers:/var/lib/pi-runners-docker"))],
    "runners[0].config.runners[0].docker.volumes[0]",
    /shared by the daemons/,
  ],
  [
    "the data of a runner's own engine in a job",
    [resident("a", volume("/var/lib/x/../docker:/data"))],
    "runners[0].config.runners[0].docker.volumes[0]",
    /own data/,
  ],
  [
    "one token for two runners",
    [dood("a"), dind("b")],
    "tokens.b",
    /same token/,
    {
      tokens: { a: "glrt-00000000000000000001", b: "glrt-00000000000000000001" },
    },
  ],
];

/** What stands side by side. */
const sound: [what: string, runners: Runner[], others?: object][] = [
  ["every way on every node", [dood("a"), dind("b"), resident("c"), pods("d"), shell("e")]],
  [
    "two engines below one folder",
    [resident("a", { engineFolder: "/mnt/ssd" }), resident("b", { engineFolder: "/mnt/ssd" })],
  ],
  ["two engines below the default one", [resident("a"), resident("b")]],
  ["an engine on a disk that is mounted below it", [resident("a", { engineFolder: "/var/lib/pi-runners/ssd" })]],
  ["ways with a port of the host and in pods", [shell("a", { metricsPort: 9252 }), dood("b"), pods("c")]],
  ["runners of different hosts with one port", [shell("a"), shell("b", { hosts: ["pi2"], docker: true })]],
  [
    "users of their own, of whom one may use Docker",
    [shell("a", { docker: true }), shell("b", { user: "plain", metricsPort: 9300 })],
  ],
  [
    "a version of the package, and whichever is there",
    [shell("a", { packageVersion: "19.4.0-1" }), shell("b", { metricsPort: 9300 })],
  ],
  ["the mirror beside engines", [resident("a", { engineFolder: "/mnt/ssd/engines" })], mirror("/mnt/ssd/mirror")],
  ["runners that begin alike", [dood("a"), dood("a-b"), pods("a-config"), pods("a-manager"), dind("a-jobs")]],
];

describe("runners of one stack", () => {
  for (const [what, runners, key, reason, others] of refused) {
    it(`do not have ${what}`, () => {
      assert.throws(
        () => stackOf(runners, { ...others }),
        ({ message }: Error) => {
          const lines = [...message.matchAll(/^ {2}pi-runners:(\S+?): (.*)$/gm)];
          assert.deepEqual(
            lines.map(([, path]) => path),
            [key],
            message,
          );
          assert.match(lines[0]![2]!, reason);
          return true;
        },
      );
    });
  }

  it("warn of a user whom another runner of the host lets use Docker, and are deployed", () => {
    const [having, without] = [shell("a", { docker: true }), shell("b", { metricsPort: 9300 })];
    for (const runners of [
      [having, without],
      [without, having],
    ]) {
      const { warnings } = stackOf(runners);
      assert.equal(warnings.length, 1);
      assert.match(warnings[0]!, /^Runner a lets user gitlab-runner use Docker .* runner b are root there too/);
    }
    assert.deepEqual(stackOf([having, shell("b", { user: "plain", metricsPort: 9300 })]).warnings, []);
  });

  for (const [what, runners, others] of sound) {
    it(`may have ${what}`, () => {
      assert.equal(stackOf(runners, { ...others }).runners.length, runners.length);
    });
  }
});
