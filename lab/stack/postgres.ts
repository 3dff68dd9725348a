/** A real PostgreSQL, Debian's, in a container on the lab's network, where jobs reach it. */
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Engine } from "../engine/engine";
import { image } from "../images/images";
import { label, network } from "../machine/places";

export interface Database {
  /** For `pulumi login`. */
  url: string;
  remove(): Promise<void>;
}

export async function postgres(engine: Engine, say: (line: string) => void): Promise<Database> {
  const reference = await image(engine, "postgres", say);
  const password = randomBytes(12).toString("hex");
  const options = ["--detach", "--rm", "--label", label, "--network", network.name, "--env", "POSTGRES_PASSWORD"];
  const started = await engine.run(["run", ...options, reference], { env: { POSTGRES_PASSWORD: password } });
  const container = started.trim();
  const address = `{{(index .NetworkSettings.Networks "${network.name}").IPAddress}}`;
  const host = (await engine.run(["inspect", "--format", address, container])).trim();
  const remove = async (): Promise<void> => void (await engine.attempt(["rm", "--force", container]));
  if (!(await takesConnections(engine, container))) {
    await remove();
    throw new Error(`PostgreSQL takes no connections after a minute. Run its image by hand: ${reference}.`);
  }
  return {
    url: `postgres://postgres:${password}@${host}:5432/postgres?sslmode=disable`,
    remove,
  };
}

async function takesConnections(engine: Engine, container: string): Promise<boolean> {
  for (let tries = 0; tries < 120; tries++) {
    const { all } = await engine.attempt(["logs", container]);
    if (all.includes("ready to accept connections")) {
      return true;
    }
    await sleep(500);
  }
  return false;
}
