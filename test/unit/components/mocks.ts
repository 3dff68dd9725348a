import * as pulumi from "@pulumi/pulumi";

/** A resource as the engine saw it registered. */
export interface Registered {
  type: string;
  name: string;
  /** What Pulumi knows it by: stack, project, types of its parents and its own, name. */
  urn?: string;
  inputs: Record<string, any>; // eslint-disable-line @typescript-eslint/no-explicit-any
}

const registered: Registered[] = [];

/**
 * Answers every registration with its own inputs, and keeps it. Secrets arrive wrapped, as in the engine.
 *
 * @param preview true: nothing is there yet, so no resource has an id
 * @param kept what a Secret that is read has in it; default: what a registration writes
 */
export async function mockEngine(preview = false, kept: object = { token: "Z2xydA==" }): Promise<void> {
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs, id }) => {
        registered.push({ type, name, inputs: inputs as Registered["inputs"] });
        const read = id !== undefined && type === "kubernetes:core/v1:Secret" ? { data: kept } : {};
        return { id: id ?? (preview ? "" : `${name}-id`), state: { ...(inputs as object), ...read } };
      },
      call: ({ inputs }) => inputs as object,
    },
    "pi-runners",
    "test",
    preview,
  );
}

/**
 * Everything that was registered by a piece of a program, which returns the resources that it makes. Their URNs and
 * those of all their children are awaited, so an error in an input fails the test with its own message.
 */
export async function during(program: () => pulumi.Resource | pulumi.Resource[]): Promise<Registered[]> {
  registered.length = 0;
  await Promise.all([program()].flat().map(complete));
  return [...registered];
}

async function complete(resource: pulumi.Resource): Promise<void> {
  // Neither has a public name: what a URN becomes, and which children a resource has.
  const urn = resource.urn as unknown as { promise(): Promise<string> };
  const { __childResources: children } = resource as unknown as { __childResources?: Set<pulumi.Resource> };
  const found = await urn.promise();
  const [types, name] = found.split("::").slice(2);
  registered
    .filter((one) => one.name === name && `$${types}`.endsWith(`$${one.type}`))
    .forEach((one) => (one.urn = found));
  await Promise.all([...(children ?? [])].map(complete));
}

/** The only resource of a type, or the one with this name. */
export function only(all: Registered[], type: string, name?: string): Registered {
  const found = all.filter((one) => one.type === type && (name === undefined || one.name === name));
  if (found.length !== 1) {
    throw new Error(`${found.length} of ${type} were registered, not one`);
  }
  return found[0]!;
}

/** What an output is at the end. */
export function valueOf<T>(output: pulumi.Output<T>): Promise<T> {
  return new Promise((resolve) => output.apply(resolve));
}

/** The inner value of a secret, as it travels to the engine; undefined when it is not secret. */
export function unwrapSecret(value: unknown): unknown {
  const key = "4dabf18193072939515e22adb298388d";
  const box = value as Record<string, unknown> | undefined;
  return box !== undefined && box[key] === "1b47061264138c4ac30d75fd1eb44270" ? box["value"] : undefined;
}
