import * as pulumi from "@pulumi/pulumi";
import Module from "node:module";

/** Text by which Pulumi keeps a dynamic provider in the state. */
export async function storedText(provider: pulumi.dynamic.ResourceProvider): Promise<string> {
  const { text } = await pulumi.runtime.serializeFunction(() => provider);
  return text;
}

/** A dynamic provider as Pulumi runs it: serialised, and read back with nothing of this checkout around it. */
export async function stored<T extends object>(provider: T): Promise<T> {
  const text = await storedText(provider as unknown as pulumi.dynamic.ResourceProvider);
  const made = new Module("stored provider") as Module & {
    _compile(text: string, file: string): void;
    exports: { handler(): T };
  };
  made.paths = [];
  made._compile(text, "/nowhere/provider.js");
  return made.exports.handler();
}

/** Hooks of mocha: the seconds that the product waits between two tries pass at once. */
export function impatiently(): void {
  const { setTimeout: patient } = globalThis;
  before(() => {
    const impatient = (work: () => void, ms = 0) => patient(work, ms >= 1000 && ms <= 8000 ? 1 : ms);
    globalThis.setTimeout = impatient as typeof setTimeout;
  });
  after(() => void (globalThis.setTimeout = patient));
}
