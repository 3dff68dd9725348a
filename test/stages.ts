/** The parts of `make test`, in the order in which they run, and what each needs. */
import { matchesGlob } from "node:path";

export interface Stage {
  name: string;
  /** The test files of a mocha run; missing where one command is the whole check. */
  files?: string;
  command: string[];
  /** True: the lab has to be up, with stack dev on it. Tests of hosts bring their nodes up themselves. */
  needsLab?: boolean;
  /** Runs at the same time as the stages around it that say so too: none meets another's things, and each waits much. */
  beside?: true;
}

const onMachine = ["mocha", "--config", "test/lab/.mocharc.json"];

/** All code that .dependency-cruiser.cjs says who may import whom of. */
const rooms = ["start.cjs", "index.ts", "components", "hosts", "config", "templates", "ci", "lab", "bench", "test"];

/** Quick, and without the lab: `make check`. */
export const quick: Stage[] = [
  { name: "types", command: ["tsc", "--noEmit"] },
  { name: "lint", command: ["eslint", "."] },
  { name: "imports", command: ["depcruise", ...rooms] },
  { name: "format", command: ["prettier", "--check", "--log-level=warn", "."] },
  // Two at the same time: they wait for half of theirs.
  {
    name: "unit: runners",
    files: "test/unit/@(bench|runners|templates)/**/*.test.ts",
    command: ["mocha"],
    beside: true,
  },
  {
    name: "unit",
    files: "test/unit/{*.test.ts,!(bench|runners|templates)/**/*.test.ts}",
    command: ["mocha"],
    beside: true,
  },
];

export const labUp: Stage = { name: "lab up", command: ["tsx", "lab/lab.ts", "up"] };

export const onLab: Stage[] = [
  {
    name: "stand-in GitLab",
    files: "test/lab/gitlab/*.test.ts",
    command: onMachine,
    needsLab: true,
    beside: true,
  },
  {
    name: "plugins",
    files: "test/lab/plugins/*.test.ts",
    command: onMachine,
    needsLab: true,
    beside: true,
  },
  {
    name: "package",
    files: "test/lab/package/*.test.ts",
    command: onMachine,
    needsLab: true,
    beside: true,
  },
  { name: "upgrade", files: "test/lab/upgrade/*.test.ts", command: onMachine, needsLab: true },
  {
    name: "registry trust on nodes",
    files: "test/host/@(shell|trust)/!(buildkit).test.ts",
    command: onMachine,
    beside: true,
  },
  // What differs by the engine's version: the same tests on nodes of the other kinds (lab/cluster/nodes.ts).
  {
    name: "registry trust on Debian 12",
    files: "test/host/trust/@(docker|authorities|install).test.ts",
    command: ["env", "LAB_KIND=debian12", ...onMachine],
    beside: true,
  },
  {
    name: "registry trust on Docker 29",
    // BuildKit with them: it takes the same nodes, and would wait for them.
    files: "test/host/trust/@(docker|authorities|buildkit).test.ts",
    command: ["env", "LAB_KIND=docker29", ...onMachine],
    beside: true,
  },
  { name: "stack on the lab", files: "test/lab/stack/*.test.ts", command: onMachine, needsLab: true, beside: true },
  // Alone: it kills the engine that all nodes run on.
  { name: "lab that was hurt", files: "test/lab/hurt/*.test.ts", command: onMachine, needsLab: true },
];

/** What takes long and seldom breaks: `make test-long`. */
export const long: Stage[] = [
  { name: "long", files: "test/long/**/*.test.ts", command: onMachine, needsLab: true },
  {
    name: "registry trust on Docker 28",
    files: "test/host/trust/@(docker|authorities).test.ts",
    command: ["env", "LAB_KIND=docker28", ...onMachine],
    needsLab: true,
  },
  ...["28", "29"].map((release) => ({
    name: `Docker ${release} in the cluster`,
    files: "test/lab/stack/kinds.test.ts",
    command: ["env", `LAB_KIND=docker${release}`, ...onMachine],
    needsLab: true,
  })),
];

/** Removes the lab, and proves that nothing of it stays. */
export const labDown: Stage = { name: "lab down", files: "test/lab/down/*.test.ts", command: onMachine };

/** The stage that a test file belongs to: its folder says what it needs. */
export function stageOf(file: string): Stage | undefined {
  return [...quick, ...onLab, ...long, labDown].find(({ files }) => files !== undefined && matchesGlob(file, files));
}
