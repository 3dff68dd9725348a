/** What the lab's registry sent, by its own access log. */
import { setTimeout as sleep } from "node:timers/promises";
import { findEngine } from "../lab/engine/engine";
import { server } from "../lab/machine/places";

const journal = ["journalctl", "--unit", "lab-registry*"];

/** Does something, and gives what came of it with the megabytes (10^6 bytes) that were pulled meanwhile. */
export async function pulledBytes<T>(work: () => Promise<T>): Promise<{ result: T; megabytes: number }> {
  const engine = await findEngine();
  if (engine === undefined) {
    throw new Error("No engine of the lab: its registry cannot be asked what it sent.\nRun make up.");
  }
  const shown = await engine.exec(server.container, [...journal, "--lines", "0", "--show-cursor"]);
  const cursor = /-- cursor: (\S+)/.exec(shown)?.[1] ?? "";
  const result = await work();
  await sleep(500); // the journal is written a little later
  const log = await engine.exec(server.container, [...journal, "--output", "cat", `--after-cursor=${cursor}`]);
  const bytes = [...log.matchAll(/"GET \S+ HTTP\/[\d.]+" 20\d (\d+)/g)].reduce(
    (sum, [, sent]) => sum + Number(sent),
    0,
  );
  return { result, megabytes: bytes / 1e6 };
}
