/** A real PostgreSQL, Debian's, in a container on the lab's network, where jobs reach it. */
import { randomBytes } from "node:crypto";
import type { Engine } from "../../lab/engine/engine";
import { image } from "../../lab/images/images";
import { label, network } from "../../lab/machine/places";
import { eventually } from "../lab/stack/lab";

export interface Database {
  /** For `pulumi login`. */
  url: string;
  remove(): Promise<void>;
}

export async function postgres(engine: Engine): Promise<Database> {
  const reference = await image(engine, "postgres", (line) => console.log(line));
  const password = randomBytes(12).toString("hex");
  const options = ["--detach", "--rm", "--label", label, "--network", network.name, "--env", "POSTGRES_PASSWORD"];
  const started = await engine.run(["run", ...options, reference], { env: { POSTGRES_PASSWORD: password } });
  const container = started.trim();
  const address = `{{(index .NetworkSettings.Networks "${network.name}").IPAddress}}`;
  const host = (await engine.run(["inspect", "--format", address, container])).trim();
  await eventually("PostgreSQL takes connections", 60, async () => {
    const { all } = await engine.attempt(["logs", container]);
    return all.includes("ready to accept connections") || undefined;
  });
  return {
    url: `postgres://postgres:${password}@${host}:5432/postgres?sslmode=disable`,
    remove: async () => void (await engine.attempt(["rm", "--force", container])),
  };
}
