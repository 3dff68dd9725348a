/** The script of the Job that registers with a legacy token, by a real shell; curl is a stand-in that answers as it is told. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { registrationScript } from "../../../components/token/registration";
import { temporaryFolder } from "../../temporaryFolder";

const token = "glrt-0123456789abcdefghij";

interface Answers {
  /** What GitLab says to a registration, and with which status. */
  register: [status: number, body: string];
  /** The status of the cluster's answer to the token. Default: 200. */
  cluster?: number;
}

/** Runs the script in folders of its own; `asked` are the calls of curl. */
function run({ register: [status, body], cluster = 200 }: Answers, curl = true) {
  const root = temporaryFolder();
  for (const folder of ["tmp", "registration", "token", "account", "bin"]) {
    mkdirSync(join(root, folder));
  }
  writeFileSync(join(root, "registration/request.json"), "{}");
  writeFileSync(join(root, "account/token"), "account");
  writeFileSync(join(root, "body"), body);
  if (curl) {
    const file = join(root, "bin/curl");
    writeFileSync(
      file,
      `#!/bin/sh
cat >/dev/null
echo "$*" >>${root}/asked
case "$*" in
  *kubernetes* | *"/secrets/"*) printf ${cluster} ;;
  *DELETE*) printf 204 ;;
  *) cp ${root}/body ${root}/tmp/answer; printf ${status} ;;
esac
`,
    );
    chmodSync(file, 0o755);
  }
  const own: Record<string, string> = {
    "/var/run/secrets/kubernetes.io/serviceaccount": join(root, "account"),
    "/dev/termination-log": join(root, "said"),
    "/registration/": join(root, "registration/"),
    "/token/token": join(root, "token/token"),
    "/tmp/": join(root, "tmp/"),
  };
  // In one go: the folders of the test are below /tmp, too.
  const script = registrationScript("ci", "old", "https://gitlab.lan").replaceAll(
    new RegExp(`(?<=[ "@(<>])(${Object.keys(own).join("|")})`, "g"),
    (path) => own[path]!,
  );
  const env = {
    PATH: curl ? `${root}/bin:${process.env.PATH}` : bare(root),
    KUBERNETES_SERVICE_HOST: "10.0.0.1",
    KUBERNETES_SERVICE_PORT: "443",
  };
  const { status: code, stdout, stderr } = spawnSync("/bin/sh", ["-c", script], { encoding: "utf8", env });
  const asked = curl ? readFileSync(join(root, "asked"), "utf8") : "";
  return { code, output: stdout + stderr, asked };
}

/** A PATH that has all that the script needs but curl. */
function bare(root: string): string {
  for (const name of ["cat", "tee", "sed", "cut", "tr", "rm", "base64"]) {
    writeFileSync(join(root, "bin", name), `#!/bin/sh\nPATH=${process.env.PATH} exec ${name} "$@"\n`);
    chmodSync(join(root, "bin", name), 0o755);
  }
  return join(root, "bin");
}

describe("the script that registers a runner", () => {
  const registered: Answers["register"] = [201, `{"id":1,"token":"${token}"}`];

  it("keeps the token in the cluster, and shows it nowhere", () => {
    const { code, output, asked } = run({ register: registered });
    assert.deepEqual([code, output], [0, "Registered.\n"]);
    assert.match(asked, /PATCH.*\/secrets\/old-token/);
    assert.ok(!asked.includes(token), "on no command line");
  });

  it("unregisters the runner whose token the cluster does not keep", () => {
    const { code, output, asked } = run({ register: registered, cluster: 403 });
    assert.equal(code, 1);
    assert.match(output, /did not keep the token \(403\), so the runner was unregistered/);
    assert.match(asked, /DELETE/);
  });

  const failures: [register: Answers["register"], message: RegExp][] = [
    [[410, "{}"], /registers no runners by registration token \(410\)[^]*gitlab\.accessToken/],
    [[403, '{"message":"403 Forbidden"}'], /refuses the registration token \(403\): 403 Forbidden\./],
    [[429, "Retry later"], /limits the rate of calls \(429\)[^]*nothing was registered/],
    [[301, "<html>"], /is at another address[^]*gitlab\.url/],
    [[504, "<html>"], /none of GitLab's \(504\)[^]*whether a runner old was registered, delete it/],
    [[200, "<html>"], /none of GitLab's \(200\)/],
    [[400, '{"message":{"maintenance_note":["is too long"]}}'], /\(400\): .*maintenance_note.*is too long/],
  ];
  failures.forEach(([register, message]) =>
    it(`says what is wrong, where and what to do: ${register.join(" ")}`, () => {
      const { code, output, asked } = run({ register });
      assert.equal(code, 1);
      assert.match(output, message);
      assert.match(output, /^At https:\/\/gitlab\.lan\/api\/v4, for runner old\.$/m);
      assert.doesNotMatch(asked, /\/secrets\//);
    }),
  );

  it("names an image without curl", () => {
    const { code, output } = run({ register: registered }, false);
    assert.equal(code, 1);
    assert.match(output, /has no curl/);
  });
});
