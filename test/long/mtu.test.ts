/** Networks that carry less than 1500 bytes, as VPNs and overlays have them: that of a node's Docker, and that of its pods. */
import assert from "node:assert/strict";
import { onNode } from "../lab/stack/lab";
import { dockerWays, EngineStack, only, runJob, type DockerWay, type RunnerEntry } from "./engineStack";

const mtu = 1380;
const ways = ["dind", "dind-job", "dind-plain", "dind-resident"] as const satisfies DockerWay[];
const nameOf = (way: DockerWay): string => `narrow-${way}`;
const runners: RunnerEntry[] = ways.map((way) => ({ name: nameOf(way), ...dockerWays[way], ...only(2) }));

/** What a container has that the job's Docker makes: on the network that all get, and on one that the job makes. */
const look = [
  'show() { docker run --rm "$@" --entrypoint cat registry.lab:5000/base:1 /sys/class/net/eth0/mtu; }',
  "echo default $(show).",
  "docker network create mine >/dev/null",
  "echo own $(show --network mine).",
  "docker network rm mine >/dev/null",
];

const settings = "/etc/docker/daemon.json";
const network = "/etc/cni/net.d/10-lab.conflist";

describe("a network that carries less", function () {
  this.timeout(400_000);
  let stack: EngineStack;

  before(async () => {
    // Beside what others have put there, and read at a restart only.
    const narrow = `import json; f="${settings}"; d=json.load(open(f)); d["mtu"]=${mtu}; json.dump(d, open(f,"w"))`;
    await onNode(2, `cp ${settings} /root/daemon.json && python3 -c '${narrow}' && systemctl restart docker`);
    await onNode(
      2,
      `cp ${network} /root/pods.conflist && sed -i 's/"type": "bridge",/"type": "bridge", "mtu": ${mtu},/' ${network}`,
    );
    stack = await EngineStack.of("narrow", runners);
    await stack.up(runners);
  });
  after(async () => {
    await stack?.destroy();
    await onNode(2, `mv /root/daemon.json ${settings} && systemctl restart docker; mv /root/pods.conflist ${network}`);
  });

  for (const way of ways) {
    it(`${way}: what jobs start has as much as fits through, without a setting`, async () => {
      const { status, trace } = await runJob(nameOf(way), nameOf(way), look);
      assert.equal(status, "success", trace);
      assert.match(trace, new RegExp(`^default ${mtu}\\.$`, "m"));
      assert.match(trace, new RegExp(`^own ${mtu}\\.$`, "m"));
    });
  }
});
