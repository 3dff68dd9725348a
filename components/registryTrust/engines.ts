/**
 * What runs containers on a node and can trust registries: the one list of engines. Each has a file of this name in
 * hosts/program/engines, and a row in the table of docs/registry-trust.md; a test fails where one is missing.
 */
export const trustEngines = ["docker", "containerd", "microk8s", "k3s", "buildkit"] as const;

/** One of them. */
export type TrustEngine = (typeof trustEngines)[number];
