import assert from "node:assert/strict";
import type { Ended, Host } from "./host";
import { patience, stopRegistries, testRegistries, trustLab, type TestRegistry, type TrustLab } from "./lab";

const toml = "/etc/buildkit/buildkitd.toml";
const unit = "buildkit.service";
const only = { engines: ["buildkit"] };

let lab: TrustLab;
let host: Host;
let plain: TestRegistry & { insecure: true };
let tls: TestRegistry & { ca: string };
let builds = 0;

describe("registry trust: BuildKit 0.33, a real buildkitd", () => {
  before(async function () {
    this.timeout(patience);
    lab = await trustLab(1, "docker29");
    host = lab.hosts[0]!;
    await host.reset();
    const registries = await testRegistries(lab);
    plain = { ...registries.plain, insecure: true };
    tls = registries.tls as typeof tls;
    await host.ok(
      `cp /usr/lib/pi-lab/${unit} /etc/systemd/system/; rm -rf /etc/buildkit; systemctl daemon-reload; systemctl start ${unit}`,
    );
    for (const { address } of [plain, tls]) {
      await fill(address);
    }
  });

  after(async () => {
    await host.ok(
      `systemctl stop ${unit}; rm -rf /etc/systemd/system/${unit} /etc/buildkit /data-of-test; systemctl daemon-reload`,
    );
    await host.reset();
    await stopRegistries(lab);
  });

  beforeEach(async () => {
    await host.ok(
      `rm -rf /etc/buildkit /var/lib/pi-runners; systemctl reset-failed ${unit}; systemctl restart ${unit}`,
    );
    assert.equal(await host.ok(`systemctl is-active ${unit}`), "active");
  });

  /** An image to build on, put there by Docker, which is told to trust the registry for that long. */
  async function fill(address: string): Promise<void> {
    const docker = ["docker"];
    await host.apply({ owner: "filler", engines: docker, registries: [{ address, insecure: true }] });
    await host.ok(
      `tar -cC / etc/hostname | docker import - ${address}/tiny:1 && docker push -q ${address}/tiny:1 && docker rmi ${address}/tiny:1`,
    );
    await host.apply({ owner: "filler", engines: docker }, "remove");
  }

  /** Builds from the registry and pushes to it, each time to another repository: BuildKit remembers how one answered. */
  async function build(address: string, command = "buildctl build"): Promise<Ended & { repository: string }> {
    const repository = `built${++builds}`;
    await host.write(`FROM ${address}/tiny:1\nCOPY message /message\n`, "/data-of-test/Dockerfile");
    await host.write(`${repository}\n`, "/data-of-test/message");
    const how = command.startsWith("buildctl")
      ? `--frontend dockerfile.v0 --local context=/data-of-test --local dockerfile=/data-of-test --output type=image,name=${address}/${repository}:1,push=true`
      : `--push -t ${address}/${repository}:1 /data-of-test`;
    return { ...(await host.sh(`timeout 60 ${command} ${how}`)), repository };
  }

  const pid = () => host.ok(`systemctl show -p MainPID --value ${unit}`);

  it("insecure: no build before; from and to it after apply, by one restart that has to be allowed; none after remove", async () => {
    assert.match((await build(plain.address)).err, /HTTP response to HTTPS client/);
    const before = await pid();
    await host.refused({ ...only, registries: [plain] }, [unit, toml, "allowRestart"]);
    assert.equal(await pid(), before);
    assert.equal(await host.file(toml), undefined);

    const settings = { ...only, registries: [plain], allowRestart: true };
    assert.equal((await host.apply(settings)).engines[0]!.how, "restart");
    const after = await pid();
    assert.notEqual(after, before);
    const built = await build(plain.address);
    assert.equal(built.status, 0, built.err);
    assert.match(await host.ok(`curl -sf http://${plain.address}/v2/${built.repository}/tags/list`), /"1"/);
    assert.equal((await host.apply(settings)).engines[0]!.how, "none");
    assert.equal(await pid(), after);

    await host.apply({ ...only, allowRestart: true }, "remove");
    assert.match((await build(plain.address)).err, /HTTP response to HTTPS client/);
    assert.equal((await host.sh("ls -d /etc/buildkit /var/lib/pi-runners")).out, "");
  });

  it("restarted although systemd has counted too many starts of it, which would stop it and not start it", async () => {
    await host.ok(`for i in 1 2 3 4; do systemctl restart ${unit}; done`);
    const settings = { ...only, registries: [plain], allowRestart: true };
    assert.equal((await host.apply(settings)).engines[0]!.how, "restart");
    assert.equal(await host.ok(`systemctl is-active ${unit}`), "active");
    await host.apply({ ...only, allowRestart: true }, "remove");
    assert.equal(await host.ok(`systemctl is-active ${unit}`), "active");
  });

  it("CA: no build before, from and to it after apply, none after remove", async () => {
    assert.match((await build(tls.address)).err, /x509|certificate/);
    await host.apply({ ...only, registries: [tls], allowRestart: true });
    const built = await build(tls.address);
    assert.equal(built.status, 0, built.err);
    await host.apply({ ...only, allowRestart: true }, "remove");
    assert.match((await build(tls.address)).err, /x509|certificate/);
    assert.equal((await host.sh("ls -d /etc/buildkit /var/lib/pi-runners")).out, "");
  });

  it("a builder of docker buildx (docker-container) knows what the file said when it was made, with --config only", async () => {
    await host.ok(
      "mkdir -p /data-of-test/root/usr/bin /data-of-test/root/tmp; cd /data-of-test; " +
        "cp /usr/bin/buildkitd /usr/bin/buildctl /usr/lib/pi-lab/runc root/usr/bin/; " +
        "tar -cC root . | docker import --change 'ENTRYPOINT [\"/usr/bin/buildkitd\"]' --change 'ENV PATH=/usr/bin' - lab/buildkit:1",
    );
    const create = (name: string, options: string) =>
      host.ok(
        `docker buildx create --name ${name} --driver docker-container --driver-opt image=lab/buildkit:1,network=host ${options} --bootstrap`,
      );
    try {
      await create("plain", "");
      await host.apply({ ...only, registries: [plain, tls], allowRestart: true });
      assert.match((await build(plain.address, "docker buildx build --builder plain")).err, /HTTP response to HTTPS/);
      await create("told", `--config ${toml}`);
      for (const { address } of [plain, tls]) {
        const built = await build(address, "docker buildx build --builder told");
        assert.equal(built.status, 0, built.err);
      }
    } finally {
      await host.ok("docker buildx rm plain; docker buildx rm told; docker rmi lab/buildkit:1; true");
      await host.apply({ ...only, allowRestart: true }, "remove");
    }
  }).timeout(180_000);
});
