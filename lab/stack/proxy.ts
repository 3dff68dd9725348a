/** A real proxy, Debian's Squid, in a container on the lab's network, that asks for a password and logs who went where. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Engine } from "../engine/engine";
import { image } from "../images/images";
import { label, lanNames, network } from "../machine/places";

export interface Proxy {
  /** With user and password. */
  url: string;
  /** Its address on the lab's network. */
  host: string;
  /** What it logged so far: time, client, user, method, address, status. */
  log(): Promise<string[]>;
  remove(): Promise<void>;
}

export async function squid(
  engine: Engine,
  user: string,
  password: string,
  say: (line: string) => void,
): Promise<Proxy> {
  const reference = await image(engine, "squid", say);
  const names = Object.entries(lanNames).flatMap(([name, address]) => ["--add-host", `${name}:${address}`]);
  const options = ["--detach", "--label", label, "--network", network.name, ...names];
  const variables = { PROXY_USER: user, PROXY_PASSWORD: password };
  const given = Object.keys(variables).flatMap((name) => ["--env", name]);
  const container = (await engine.run(["run", ...options, ...given, reference], { env: variables })).trim();
  const address = `{{(index .NetworkSettings.Networks "${network.name}").IPAddress}}`;
  const host = (await engine.run(["inspect", "--format", address, container])).trim();
  const remove = async (): Promise<void> => void (await engine.attempt(["rm", "--force", "--volumes", container]));
  const url = `http://${encodeURIComponent(user)}:${encodeURIComponent(password).replaceAll("!", "%21")}@${host}:3128`;
  const listens = (): Promise<{ ok: boolean }> =>
    engine.attempt(["exec", container, "curl", "-so", "/dev/null", "http://127.0.0.1:3128/"]);
  for (let tries = 0; !(await listens()).ok; tries++) {
    if (tries === 60) {
      const { all } = await engine.attempt(["logs", container]);
      await remove();
      throw new Error(`Squid does not listen after half a minute.\nIts log ends:\n${all.slice(-2000)}`);
    }
    await sleep(500);
  }
  return {
    url,
    host,
    log: async () =>
      (await engine.run(["exec", container, "cat", "/var/log/squid/access.log"]))
        .split("\n")
        .filter((line) => line !== ""),
    remove,
  };
}
