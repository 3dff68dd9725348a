/** Machine architectures that a node may have, as Kubernetes labels them (`kubernetes.io/arch`). */
export const architectures = ["arm64", "arm", "amd64"] as const;

export type Architecture = (typeof architectures)[number];

/**
 * What a tag may call an architecture: Kubernetes' and Docker's own words, the kernel's and Debian's. As a part of a path
 * they mean it too (`arm64v8/docker`), except for the words that have a meaning of their own.
 */
const words = new Map(
  Object.entries({
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
  }),
);

const anyWord = [...words.keys()].join("|");

/** `arm64-v19.4.0`: the GitLab helper's tags begin with the architecture. */
const tagBegins = new RegExp(`^(${anyWord})-v?\\d`);
const tagEnds = new RegExp(`(?:^|[-_.])(${anyWord})$`);
const nameEnds = /[-_](amd64|x86_64|arm64|aarch64)$/;

/**
 * The architecture that an image is for, where its name says so beyond doubt: a part of its path that is nothing but the
 * architecture, a tag that begins or ends with it, or a name that ends with it. Undefined for all others, multi-platform
 * images among them: `arm-none-eabi-gcc` is a compiler for arm, not an image for it.
 */
export function imageArchitecture(image: string): string | undefined {
  const { path, tag } = parts(image.toLowerCase());
  const folder = path.slice(0, -1).find((part) => part !== "arm" && words.has(part));
  const word =
    tagBegins.exec(tag)?.[1] ?? tagEnds.exec(tag)?.[1] ?? folder ?? nameEnds.exec(path.at(-1) ?? "")?.[1] ?? "";
  return words.get(word);
}

/** Path and tag of an image reference, without host and digest. */
function parts(image: string): { path: string[]; tag: string } {
  const all = image.split("@")[0]!.split("/");
  const first = all[0]!;
  const isHost = all.length > 1 && (first.includes(".") || first.includes(":") || first === "localhost");
  const path = isHost ? all.slice(1) : all;
  const [name = "", tag = ""] = path.at(-1)!.split(":");
  return { path: [...path.slice(0, -1), name], tag };
}

/** 64-bit ARM runs 32-bit programs: every Raspberry Pi does. */
function runsOn(image: string, node: Architecture): boolean {
  return image === node || (image === "arm" && node === "arm64");
}

/** Says what is wrong when an image is named for another architecture than the runner's nodes have. */
export function imageArchitectureError(image: string, architecture: Architecture | undefined): string | undefined {
  const named = imageArchitecture(image);
  if (architecture === undefined || named === undefined || runsOn(named, architecture)) {
    return undefined;
  }
  return `the image ${image} is for ${named}, the runner's nodes are ${architecture}: it would fail with "exec format error"; name a multi-platform image or one for ${architecture}`;
}
