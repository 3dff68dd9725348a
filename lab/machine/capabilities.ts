import { readFileSync } from "node:fs";

/** Number of CAP_SYS_RESOURCE in linux/capability.h. */
const sysResource = 24n;

/**
 * Whether this machine's root lacks CAP_SYS_RESOURCE, without which runc refuses privileged containers. True in many
 * virtual machines and containers that CI services hand out.
 */
export function lacksSysResource(status = readFileSync("/proc/self/status", "utf8")): boolean {
  const bounding = /^CapBnd:\s*([0-9a-f]+)/m.exec(status)?.[1];
  return bounding !== undefined && (BigInt(`0x${bounding}`) & (1n << sysResource)) === 0n;
}
