import { X509Certificate } from "node:crypto";
import { certificateError, certificatesOf } from "../certificate";
import { below, type InputError } from "../inputErrors";
import { addressError, canonicalAddress, isNetwork } from "./address";

/** A container registry that nodes, runners and builds are to trust. */
export interface Registry {
  /**
   * `host` or `host:port`, as it stands in image names, for example `registry.lan:5000`; or, for an insecure one,
   * a network such as `192.168.1.0/24`. Never with a scheme or a path.
   */
  address: string;
  /** True: HTTP, or HTTPS without verification. It excludes `ca`, as Docker uses a CA only for secure registries. */
  insecure?: boolean;
  /** The certificate authority that signed the registry's certificate, as PEM text (one or more certificates). */
  ca?: string;
}

/** What is wrong with a list of registries, by paths such as `[1].address`: each entry alone, and entries that are the same. */
export function registriesErrors(registries: Registry[]): InputError[] {
  const canonical = registries.map(({ address }) => canonicalAddress(String(address)));
  return registries.flatMap((registry, index) => {
    const errors = registryErrors(registry);
    const first = canonical.indexOf(canonical[index]!);
    if (first !== index) {
      errors.push({ propertyPath: "address", reason: duplicate(registry.address, first, registries[first]!.address) });
    }
    return below(`[${index}]`, errors);
  });
}

function duplicate(address: string, first: number, other: string): string {
  return address === other
    ? `"${address}" is the address of registries[${first}] too; each needs its own`
    : `"${address}" is the same network as "${other}" of registries[${first}]; list it once`;
}

/**
 * What is wrong with one registry. A certificate that has expired is not refused here: whose clock is wrong is for the
 * node to say.
 */
export function registryErrors(registry: Registry): InputError[] {
  const { address, insecure, ca } = registry;
  const error = (propertyPath: string, reason: string | undefined): InputError[] =>
    reason === undefined ? [] : [{ propertyPath, reason }];
  const wrong = addressError(address);
  if (wrong !== undefined) {
    return error("address", wrong);
  }
  if (insecure && ca !== undefined) {
    return error(
      "insecure",
      `excludes ca: Docker uses a CA only while a registry (${address}) is not insecure; keep ca, and drop insecure`,
    );
  }
  if (isNetwork(address) && !insecure) {
    return error(
      "address",
      `"${address}" is a network, which can only be insecure; set insecure, or name each host with its ca`,
    );
  }
  if (insecure && /^\[[^\]]*\]$/.test(address)) {
    return error(
      "address",
      `"${address}" has no port, which Docker before 23 does not take as insecure; write "${address}:80"`,
    );
  }
  return error("ca", ca === undefined ? undefined : certificateError(ca));
}

/** Between which times all certificates of a CA are valid, in seconds since 1970. */
export function validity(registry: Registry): { begins?: number; expires?: number } {
  const certificates = certificatesOf(registry.ca ?? "").map((block) => new X509Certificate(block));
  const seconds = (date: string): number => Date.parse(date) / 1000;
  return certificates.length === 0
    ? {}
    : {
        begins: Math.max(...certificates.map(({ validFrom }) => seconds(validFrom))),
        expires: Math.min(...certificates.map(({ validTo }) => seconds(validTo))),
      };
}
