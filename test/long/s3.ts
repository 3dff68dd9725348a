/** A real S3 server (versitygw, built by the lab) on this machine, with one bucket, `state`. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { built } from "../../lab/builds/builds";
import { eventually } from "../lab/stack/lab";

export interface Bucket {
  /** For `pulumi login`. */
  url: string;
  /** Who may use it, as Pulumi reads it. */
  env: Record<string, string>;
  /** Host and port. */
  address: string;
  /** Paths of the objects in the bucket. */
  objects(): string[];
  remove(): Promise<void>;
}

/** `[runners.cache]` with what jobs leave in the bucket, but for the secret key. */
export const jobCache = ({ address, env }: Bucket, folder: string): object => ({
  ...{ Type: "s3", Shared: true, Path: folder },
  s3: {
    ...{ ServerAddress: address, Insecure: true, BucketName: "state", BucketLocation: "us-east-1" },
    ...{ AuthenticationType: "access-key", AccessKey: env["AWS_ACCESS_KEY_ID"] },
  },
});

/** Where the secret key is in the stack file, for one of its runners. */
export const secretKeyPath = (runner: number): string => `runners[${runner}].config.runners[0].cache.s3.SecretKey`;

/** @param host address of this machine that it listens on */
export async function s3(host = "127.0.0.1"): Promise<Bucket> {
  const program = join(await built("s3", (line) => console.log(line)), "versitygw");
  const folder = mkdtempSync(join(tmpdir(), "pi-runners-s3-"));
  for (const name of ["data/state", "sidecar"]) {
    mkdirSync(join(folder, name), { recursive: true });
  }
  const [access, secret] = ["pi-lab", "pi-lab-secret-key"];
  const address = `${host}:${await freePort(host)}`;
  // Files of its own for what S3 knows of an object: not every file system has extended attributes.
  const args = ["--port", address, "posix", "--sidecar", join(folder, "sidecar"), join(folder, "data")];
  const env = { ...process.env, ROOT_ACCESS_KEY: access, ROOT_SECRET_KEY: secret };
  const child = spawn(program, args, { stdio: "ignore", env });
  await eventually("the S3 server answers", 30, () =>
    fetch(`http://${address}/`).then(
      () => true,
      () => undefined,
    ),
  );
  return {
    url: `s3://state?endpoint=${address}&disableSSL=true&s3ForcePathStyle=true&region=us-east-1`,
    env: { AWS_ACCESS_KEY_ID: access, AWS_SECRET_ACCESS_KEY: secret, AWS_REGION: "us-east-1" },
    address,
    objects: () => {
      const entries = readdirSync(join(folder, "data/state"), { recursive: true, withFileTypes: true });
      return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
    },
    remove: async () => {
      child.kill();
      await once(child, "close");
      rmSync(folder, { recursive: true });
    },
  };
}

async function freePort(host: string): Promise<number> {
  const server = createServer().listen(0, host);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
