import { z } from "zod";
import { about, optional, text } from "../schema";

/** What a runner may be in GitLab, whether it is created or registered. Its tags are the runner's own. */
const attributes = {
  description: optional(text.max(200), {
    description: "How GitLab shows it; to that of a created runner a mark of the stack's own is added.",
    defaultText: "its name",
  }),
  runUntagged: about(z.boolean().default(false), "`true`: it takes jobs without tags, too."),
  locked: about(z.boolean().default(false), "`true`: it cannot be assigned to further projects."),
  paused: about(z.boolean().default(false), "`true`: it takes no new jobs."),
  protected: about(z.boolean().default(false), "`true`: it takes jobs of protected branches and tags only."),
  maximumTimeout: about(z.int().min(600).optional(), {
    description: "Seconds that a job may take, at least 600.",
    defaultText: "each project's own limit",
  }),
  maintenanceNote: about(z.string().max(900).optional(), {
    description:
      "What maintainers are to read in GitLab; to that of a created runner a line with the stack's mark is added.",
    defaultText: "none",
  }),
};

/** A number that GitLab gave a project, a group or a runner. */
const id = z.int().positive();

/** A runner that the stack creates in GitLab, or takes over there. */
export const creation = z.strictObject({
  type: about(
    z.enum(["instance", "group", "project"]),
    "Whose jobs it takes: of the whole `instance`, of a `group`, or of a `project`.",
  ),
  groupId: optional(id, { description: "The group's number, with `type: group`.", defaultText: "none" }),
  projectId: optional(id, { description: "The project's number, with `type: project`.", defaultText: "none" }),
  id: optional(id, {
    description:
      "Number of a runner that is in GitLab already. It is changed as the stack file says, gets a new token, and stays when the stack goes.",
    defaultText: "one is created",
  }),
  ...attributes,
  rotate: optional(z.string().regex(/^[\w.:-]{1,64}$/), {
    description: "Another text than before, such as a date, has its token replaced, and loses no job.",
    defaultText: "only before the token expires",
  }),
});

/** What a runner is registered with, by a legacy registration token. */
export const registration = z.strictObject({
  ...attributes,
  repeat: optional(z.string().regex(/^[\w.:-]{1,64}$/), {
    description:
      "Another text than before has GitLab asked again whether the token is good, and registers anew where not. A change of tags or of what stands here does not by itself: it counts at the next registration.",
    defaultText: "asked again only when the Job's own pod changes, such as by `image`",
  }),
});

/** What of a runner concerns GitLab, beside its tags. */
export const tokenSettings = {
  create: optional(creation, {
    description: "The stack creates this runner in GitLab, with `gitlab.accessToken`, in place of a token of your own.",
    defaultText: "it has `tokens.NAME`",
  }),
  register: optional(registration, {
    description: "How it is registered with `registrationTokens.NAME`, a legacy registration token.",
    defaultText: "the defaults below",
  }),
  verify: optional(z.boolean(), {
    description: "`true`: every preview asks GitLab whether `tokens.NAME` is good.",
    defaultText: "`false`",
  }),
};

/** A GitLab instance, as a stack file names it. */
export const instanceSettings = {
  url: about(text, "Address of the instance, such as `https://gitlab.lan`."),
  caFile: optional(text, {
    description: "PEM file with the CA of its certificate, where that is a private one.",
    defaultText: "public CAs",
  }),
  accessToken: about(text.optional(), {
    description:
      "Access token of GitLab's API that creates runners (`create`), with the scopes `create_runner` and `manage_runner` (before GitLab 17.1: `api`), best with `read_api` too, of somebody with the role Maintainer (project), Owner (group) or of an administrator (instance).",
    defaultText: "none",
    secret: true,
  }),
};

/** What a runner is created with in GitLab, defaults filled in. */
export type Creation = z.output<typeof creation>;

/** What a runner is registered with, defaults filled in. */
export type Registration = z.output<typeof registration>;
