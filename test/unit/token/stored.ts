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
