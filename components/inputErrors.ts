import * as pulumi from "@pulumi/pulumi";

/** What is wrong with one input, as Pulumi's InputPropertiesError lists it. */
export interface InputError {
  /** The input, as `pulumi config set --path` and Pulumi's own messages write it: `runners[0].config.log_level`. */
  propertyPath: string;
  /** What is wrong with it, and what would be right. Never a secret. */
  reason: string;
}

/**
 * Inputs of a component, or keys of a stack file, that cannot be used: every one of them at once. A provider that hosts the
 * components hands them on one by one; in a program, where the SDK prints an InputPropertiesError as a dump with a stack
 * (@pulumi/pulumi 3.270, cmd/run/run.js), it is printed as its message alone, beside the resource where there is one.
 */
export class InvalidInputsError extends pulumi.InputPropertiesError {
  /** The resource that Pulumi prints the message at. */
  public readonly resource: pulumi.Resource | undefined;
  public readonly hideStack = true;

  public constructor(message: string, errors: InputError[], resource?: pulumi.Resource) {
    super({ message, errors });
    this.resource = resource;
    // The marks by which the SDK knows a ResourceError and a RunError, also of another copy of itself.
    Object.defineProperty(this, resource === undefined ? "__pulumiRunError" : "__pulumResourceError", { value: true });
  }
}

/**
 * Refuses inputs that have errors; does nothing when there are none.
 *
 * @param what what they are inputs of, such as `Runner dood`
 * @throws InvalidInputsError whose message has a line for each error
 */
export function refuseInvalid(what: string, errors: InputError[], resource?: pulumi.Resource): void {
  if (errors.length > 0) {
    throw new InvalidInputsError(`${what} cannot be used:\n${linesOf(errors)}`, errors, resource);
  }
}

/** A line for each error. */
export function linesOf(errors: InputError[]): string {
  return errors.map(({ propertyPath, reason }) => `  ${propertyPath}: ${reason}`).join("\n");
}

/** Writes a path as people write it in `pulumi config set --path`. */
export function propertyPath(parts: readonly PropertyKey[]): string {
  return parts
    .map((part, index) => (typeof part === "number" ? `[${part}]` : `${index === 0 ? "" : "."}${String(part)}`))
    .join("");
}

/** The same errors, seen from where the inputs are themselves one property: `way` below `runners[0]`. */
export function below(parent: string, errors: InputError[]): InputError[] {
  return errors.map(({ propertyPath: path, reason }) => ({
    propertyPath: path === "" ? parent : `${parent}${path.startsWith("[") ? "" : "."}${path}`,
    reason,
  }));
}
