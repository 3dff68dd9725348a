import assert from "node:assert/strict";
import { cluster, destroyWays, eventually, gitlab, namespace, onNode, pulumi, up } from "./lab";

const trusted = "docker info --format '{{json .RegistryConfig.IndexConfigs}}'";
const enginePid = "systemctl show --property MainPID --value docker";

/** A daemon.json as an owner keeps one: other keys, an entry of their own, an order and an indentation of their own. */
const ownersFile = `{
   "log-opts": {"max-size": "5m"},
   "insecure-registries": ["old-registry.lan:5000"],
   "debug":false
}
`;

async function destroy(): Promise<void> {
  const { code, output } = await pulumi("destroy", "--yes", "--skip-preview", "--stack", "dev");
  assert.equal(code, 0, output);
}

describe("destroy", () => {
  // What another stack has the nodes trust stays, and these tests look for what is left.
  before(destroyWays);
  after(async () => {
    await onNode(1, "rm -f /etc/docker/daemon.json && systemctl restart docker");
    await up();
  });

  it("leaves a fresh node without a daemon.json, and its engine without the registry", async () => {
    await up();
    const pid = await onNode(2, enginePid);
    assert.match(await onNode(2, trusted), /"registry\.lab:5000":\{[^}]*"Secure":false/);
    await destroy();
    assert.equal(await onNode(2, "ls /etc/docker/daemon.json 2>/dev/null || echo none"), "none");
    assert.doesNotMatch(await onNode(2, trusted), /registry\.lab/);
    assert.equal(await onNode(2, enginePid), pid, "the engine was not restarted");
  });

  it("lets jobs end before their registry is untrusted, then removes what runners left [8.27] [8.32]", async () => {
    await up();
    const script = [
      "docker info --format 'on {{.Name}}'",
      "sleep 40",
      "docker info --format '{{json .RegistryConfig.IndexConfigs}}' | grep registry.lab:5000",
      "docker pull -q registry.lab:5000/base:1",
    ];
    const lines = script.map((line) => `    - ${JSON.stringify(line)}\n`).join("");
    await gitlab.createProject("draining", {
      files: { ".gitlab-ci.yml": `job:\n  tags: [dood]\n  script:\n${lines}` },
    });
    const { id } = await gitlab.startPipeline("draining");
    const node = await eventually("the job runs", 90, async () => {
      const job = (await gitlab.pipeline(id)).jobs[0]!;
      const found = /on node([12])\b/.exec(await gitlab.trace(job.id));
      return found === null ? undefined : (Number(found[1]) as 1 | 2);
    });
    const folder = "/var/lib/pi-runners/gitlab-runners";
    assert.match(await onNode(node, `stat -c %a ${folder}/dood; cat ${folder}/dood/system-id`), /^700\nr_\w{12}$/);
    const labelled = '--label "com.gitlab.gitlab-runner.runner.system_id=$(cat ' + folder + '/dood/system-id)"';
    await onNode(node, `docker volume create ${labelled} a-cache-of-a-job`);
    await destroy();
    const pipeline = await gitlab.pipeline(id);
    assert.equal(pipeline.status, "success", await gitlab.trace(pipeline.jobs[0]!.id));
    assert.doesNotMatch(await onNode(node, trusted), /registry\.lab/);
    for (const each of [1, 2] as const) {
      assert.equal(await onNode(each, `ls -d ${folder} 2>/dev/null || echo none`), "none");
    }
    assert.doesNotMatch(await onNode(node, "docker volume ls -q"), /a-cache-of-a-job/);
  });

  it("leaves nothing in the cluster", async () => {
    const { items } = await cluster().listNamespace();
    assert.ok(!items.some(({ metadata }) => metadata?.name === namespace));
  });

  it("gives an owner's daemon.json back byte by byte, and keeps the owner's own entry trusted throughout", async () => {
    await onNode(1, `printf '%s' '${ownersFile}' > /etc/docker/daemon.json && systemctl reload docker`);
    const pid = await onNode(1, enginePid);
    await up();
    const during = await onNode(1, trusted);
    assert.match(during, /"registry\.lab:5000"/);
    assert.match(during, /"old-registry\.lan:5000"/);
    await destroy();
    assert.equal(`${await onNode(1, "cat /etc/docker/daemon.json")}\n`, ownersFile);
    const afterwards = await onNode(1, trusted);
    assert.doesNotMatch(afterwards, /registry\.lab/);
    assert.match(afterwards, /"old-registry\.lan:5000"/);
    assert.equal(await onNode(1, enginePid), pid, "the engine was not restarted");
  });
});
