import type { types } from "@pulumi/kubernetes";
import { z } from "zod";
import type { PodSecurity } from "../../namespace/runnerNamespace";
import { podTemplate } from "./pod";
import { ownKubernetes, type KubernetesRunnerSettings, type KubernetesSection } from "./settings";

/** Capabilities that level `baseline` lets a container add: those that container runtimes give anyway. */
const baselineCapabilities = [
  "AUDIT_WRITE",
  "CHOWN",
  "DAC_OVERRIDE",
  "FOWNER",
  "FSETID",
  "KILL",
  "MKNOD",
  "NET_BIND_SERVICE",
  "SETFCAP",
  "SETGID",
  "SETPCAP",
  "SETUID",
  "SYS_CHROOT",
];

/** Settings of the kernel that level `baseline` lets a pod have: those that are the pod's alone. */
const baselineSysctls = [
  "kernel.shm_rmid_forced",
  "net.ipv4.ip_local_port_range",
  "net.ipv4.ip_unprivileged_port_start",
  "net.ipv4.tcp_syncookies",
  "net.ipv4.ping_group_range",
  "net.ipv4.ip_local_reserved_ports",
  "net.ipv4.tcp_keepalive_time",
  "net.ipv4.tcp_fin_timeout",
  "net.ipv4.tcp_keepalive_intvl",
  "net.ipv4.tcp_keepalive_probes",
];

const unset = z.undefined().nullish();
const off = z.literal(false).nullish();
const confined = z.looseObject({ type: z.string().refine((type) => type !== "Unconfined") }).partial();

/** A securityContext, of a pod or a container, that level `baseline` lets in (Kubernetes docs, "Pod Security Standards"). */
const baselineContext = z.looseObject({
  privileged: off,
  capabilities: z.looseObject({ add: z.array(z.enum(baselineCapabilities)).nullish() }).nullish(),
  seccompProfile: confined.nullish(),
  appArmorProfile: confined.nullish(),
  procMount: z.literal("Default").nullish(),
  seLinuxOptions: z
    .looseObject({
      type: z.enum(["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"]).nullish(),
      user: z.literal("").nullish(),
      role: z.literal("").nullish(),
    })
    .nullish(),
  sysctls: z.array(z.looseObject({ name: z.enum(baselineSysctls) })).nullish(),
  windowsOptions: z.looseObject({ hostProcess: off }).nullish(),
});

/** What is asked is the pod's own, and no other host's (since Kubernetes 1.34). */
const ownHost = z.looseObject({ host: z.literal("").nullish() }).nullish();
const baselineHandler = z.looseObject({ httpGet: ownHost, tcpSocket: ownHost }).nullish();

const baselineContainers = z.array(
  z.looseObject({
    securityContext: baselineContext.nullish(),
    ports: z.array(z.looseObject({ hostPort: z.literal(0).nullish() })).nullish(),
    startupProbe: baselineHandler,
    livenessProbe: baselineHandler,
    readinessProbe: baselineHandler,
    lifecycle: z.looseObject({ postStart: baselineHandler, preStop: baselineHandler }).nullish(),
  }),
);

const unconfinedBefore = "container.apparmor.security.beta.kubernetes.io/";

/** A pod template that level `baseline` lets in. Of what has another form than Kubernetes' it is not said. */
const baselineTemplate = z.looseObject({
  metadata: z.looseObject({
    annotations: z
      .record(z.string(), z.string())
      .refine(
        (all) =>
          !Object.entries(all).some(([key, value]) => key.startsWith(unconfinedBefore) && value === "unconfined"),
      )
      .nullish(),
  }),
  spec: z.looseObject({
    hostNetwork: off,
    hostPID: off,
    hostIPC: off,
    securityContext: baselineContext.nullish(),
    containers: baselineContainers,
    initContainers: baselineContainers.nullish(),
    volumes: z.array(z.looseObject({ hostPath: unset })).nullish(),
  }),
});

/**
 * The strictest of the Pod Security Standards that a runner's pods meet. The manager meets `restricted`, unless `deployment` asks
 * for more. Jobs build as root of their container, and with setuid programs: that is `baseline`. Beyond it is only what `config`
 * and `deployment` ask for, and a folder of the node for layers.
 */
export function podSecurity(settings: KubernetesRunnerSettings): PodSecurity {
  const meets =
    settings.buildCache === undefined &&
    jobsMeetBaseline(ownKubernetes(settings)) &&
    baselineTemplate.safeParse(podTemplate(settings)).success;
  return meets ? "baseline" : "privileged";
}

/** Does level `baseline` let jobs' pods in with these settings? */
function jobsMeetBaseline(section: KubernetesSection): boolean {
  const contexts = [
    { privileged: section.privileged, capabilities: { add: section.cap_add } },
    section.build_container_security_context,
    section.helper_container_security_context,
    section.init_permissions_container_security_context,
    section.service_container_security_context,
    section.pod_security_context,
  ];
  return (
    contexts.every((context = {}) => baselineContext.safeParse(inKubernetesWords(context)).success) &&
    (section.volumes?.host_path ?? []).length === 0 &&
    // May say anything; nobody can tell.
    (section.pod_spec ?? []).length === 0
  );
}

type Context = NonNullable<KubernetesSection["build_container_security_context"]>;

/** gitlab-runner takes capabilities with `CAP_` too, and an empty word for none. */
function inKubernetesWords(context: Context): types.input.core.v1.SecurityContext {
  return {
    privileged: context.privileged,
    capabilities: { add: context.capabilities?.add?.map((name) => name.replace(/^CAP_/, "")) },
    seccompProfile: context.seccomp_profile as types.input.core.v1.SeccompProfile | undefined,
    appArmorProfile: context.app_armor_profile as types.input.core.v1.AppArmorProfile | undefined,
    procMount: context.proc_mount,
    seLinuxOptions: { type: context.selinux_type },
  };
}
