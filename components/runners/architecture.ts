/** Machine architectures that a node may have, as Kubernetes labels them (`kubernetes.io/arch`). */
export const architectures = ["arm64", "arm", "amd64"] as const;

export type Architecture = (typeof architectures)[number];

/**
 * What an image's name or tag may call an architecture: Kubernetes' and Docker's own words, the kernel's, Debian's, the
 * prefixes of Docker Hub (`arm64v8/…`) and those of the GitLab helper image (`x86_64-v19.4.0`).
 */
const names: Record<string, string> = {
  amd64: "amd64",
  x86_64: "amd64",
  "x86-64": "amd64",
  x64: "amd64",
  arm64: "arm64",
  arm64v8: "arm64",
  aarch64: "arm64",
  arm: "arm",
  armhf: "arm",
  armv6: "arm",
  armv7: "arm",
  armv7l: "arm",
  arm32v5: "arm",
  arm32v6: "arm",
  arm32v7: "arm",
  i386: "386",
  ppc64le: "ppc64le",
  s390x: "s390x",
  riscv64: "riscv64",
};

/** The architecture that an image's repository or tag names, undefined when it names none (a multi-platform image). */
export function imageArchitecture(image: string): string | undefined {
  const withoutDigest = image.split("@")[0]!;
  const parts = withoutDigest.split("/");
  const first = parts[0]!;
  const isHost = parts.length > 1 && (first.includes(".") || first.includes(":") || first === "localhost");
  const reference = (isHost ? parts.slice(1) : parts).join("/").toLowerCase();
  const words = reference.replaceAll("x86_64", "x86-64").split(/[/:._]|-(?!64)/);
  const found = words.map((word) => names[word]).find((architecture) => architecture !== undefined);
  return found;
}

/** Says what is wrong when an image is named for another architecture than the runner's nodes have. */
export function imageArchitectureProblem(image: string, architecture: Architecture | undefined): string | undefined {
  const named = imageArchitecture(image);
  if (architecture === undefined || named === undefined || named === architecture) {
    return undefined;
  }
  return `the image ${image} is for ${named}, the runner's nodes are ${architecture}: it would fail with "exec format error"; name a multi-platform image or one for ${architecture}`;
}
