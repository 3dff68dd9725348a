/** What a job can do to the node, in a word for policies and in a sentence for people. */
export interface Risk {
  level:
    | "pod"
    | "user-namespace"
    | "host-user"
    | "node-root"
    | "node-root-by-escape"
    | "node-root-by-escape-and-open-daemon";
  meaning: string;
}
