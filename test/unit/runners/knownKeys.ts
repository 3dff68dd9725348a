/**
 * Every key that GitLab Runner 19.4.0 reads from config.toml, section by section, as facts: taken from the `toml` tags of
 * its source (common/config.go, cache/cacheconfig/cacheconfig.go, common/config/runner/monitoring.go,
 * helpers/docker/credentials.go, referees/; commit d79f3e7b89abceace75e2425bfe92b84ea059933), not from our own schema.
 *
 * The lab builds another commit whose VERSION is 19.4.0, and whose CHANGELOG.md ends with 19.3.1 (fc1f1862bd91,
 * lab/builds/gitlab-runner/go.mod). It reads some keys more: machines' heartbeat, log_field_… and boot_verify's verify_….
 *
 * The runner ignores unknown keys in silence, so a key that is misspelt or gone would do nothing and say nothing. A test
 * holds the schema in components/runners/configToml/settings against this list, in both directions. `[]` marks an array; keys are
 * separated by white space.
 */
export const knownKeys: Record<string, string> = {
  "": `
    listen_address session_server labels concurrent check_interval log_level log_format user runners[]
    sentry_dsn connection_max_age machine experimental shutdown_timeout`,
  session_server: `
    listen_address advertise_address session_timeout`,
  "runners[]": `
    name limit output_limit request_concurrency strict_check_interval unhealthy_requests_limit
    unhealthy_interval job_status_final_update_retry_limit experimental url id token token_obtained_at
    token_expires_at tls-ca-file tls-cert-file tls-key-file labels executor builds_dir cache_dir clone_url
    environment[] proxy_exec pre_get_sources_script post_get_sources_script pre_build_script post_build_script
    prepare_timeout get_sources_timeout debug_trace_disabled safe_directory_checkout clean_git_config shell
    custom_build_dir referees cache artifact feature_flags monitoring use_slot_cgroups slot_cgroup_template
    instance ssh docker parallels virtualbox machine kubernetes custom autoscaler step_runner_image`,
  "runners[].experimental": `
    boot_verify`,
  "runners[].experimental.boot_verify": `
    enabled timeout acquire_min_backoff acquire_max_backoff`,
  "runners[].custom_build_dir": `
    enabled`,
  "runners[].referees": `
    metrics`,
  "runners[].referees.metrics": `
    prometheus_address query_interval queries[]`,
  "runners[].cache": `
    Type Path Shared MaxUploadedArchiveSize s3 gcs azure`,
  "runners[].cache.s3": `
    ServerAddress AccessKey SecretKey SessionToken BucketName BucketLocation Insecure AuthenticationType
    ServerSideEncryption ServerSideEncryptionKeyID DualStack PathStyle Accelerate RoleARN UploadRoleARN
    AssumeRoleMaxConcurrency DisableAssumeRoleCredentialsCaching`,
  "runners[].cache.gcs": `
    AccessID PrivateKey CredentialsFile BucketName UniverseDomain`,
  "runners[].cache.azure": `
    AccountName AccountKey ContainerName StorageDomain`,
  "runners[].artifact": `
    upload_timeout response_header_timeout`,
  "runners[].monitoring": `
    job_queuing_durations[]`,
  "runners[].monitoring.job_queuing_durations[]": `
    periods[] timezone threshold jobs_running_for_project`,
  "runners[].instance": `
    allowed_images[] use_common_build_dir`,
  "runners[].ssh": `
    user password host port identity_file disable_strict_host_key_checking known_hosts_file`,
  "runners[].docker": `
    host tls_cert_path tls_verify hostname image runtime memory memory_swap memory_reservation cgroup_parent
    cpuset_cpus cpuset_mems cpus cpu_shares dns[] dns_search[] privileged services_privileged
    disable_entrypoint_overwrite user allowed_users[] group_add[] userns_mode cap_add[] cap_drop[]
    oom_kill_disable oom_score_adjust security_opt[] services_security_opt[] devices[] device_cgroup_rules[]
    gpus services_devices disable_cache volumes[] volume_keep volume_driver volume_driver_ops cache_dir
    extra_hosts[] volumes_from[] network_mode pid_mode ipcmode mac_address links[] services[] services_limit
    service_memory service_memory_swap service_memory_reservation service_cgroup_parent
    service_slot_cgroup_template service_cpuset_cpus service_cpus service_cpu_shares service_gpus
    wait_for_services_timeout allowed_images[] allowed_privileged_images[] allowed_privileged_services[]
    allowed_pull_policies[] allowed_services[] pull_policy isolation shm_size tmpfs services_tmpfs sysctls
    helper_image helper_image_flavor container_labels enable_ipv6 ulimit network_mtu log_options`,
  "runners[].docker.services[]": `
    name alias command[] entrypoint[] environment[] suspend_data_path`,
  "runners[].parallels": `
    base_name template_name disable_snapshots time_server allowed_images[]`,
  "runners[].virtualbox": `
    base_name base_snapshot base_folder disable_snapshots allowed_images[] start_type`,
  "runners[].machine": `
    MaxGrowthRate IdleCount IdleScaleFactor IdleCountMin IdleTime MaxBuilds MachineDriver MachineName
    MachineOptions[] MachineOptionsWithName[] MaxRemovalAttempts OffPeakPeriods[] OffPeakTimezone
    OffPeakIdleCount OffPeakIdleTime autoscaling[]`,
  "runners[].machine.autoscaling[]": `
    Periods[] Timezone IdleCount IdleScaleFactor IdleCountMin IdleTime`,
  "runners[].kubernetes": `
    host context cert_file key_file ca_file bearer_token_overwrite_allowed bearer_token image namespace
    namespace_overwrite_allowed namespace_per_job privileged runtime_class_name allow_privilege_escalation
    cpu_limit cpu_limit_overwrite_max_allowed cpu_request cpu_request_overwrite_max_allowed memory_limit
    memory_limit_overwrite_max_allowed memory_request memory_request_overwrite_max_allowed
    ephemeral_storage_limit ephemeral_storage_limit_overwrite_max_allowed ephemeral_storage_request
    ephemeral_storage_request_overwrite_max_allowed service_cpu_limit service_cpu_limit_overwrite_max_allowed
    service_cpu_request service_cpu_request_overwrite_max_allowed service_memory_limit
    service_memory_limit_overwrite_max_allowed service_memory_request
    service_memory_request_overwrite_max_allowed service_ephemeral_storage_limit
    service_ephemeral_storage_limit_overwrite_max_allowed service_ephemeral_storage_request
    service_ephemeral_storage_request_overwrite_max_allowed helper_cpu_limit
    helper_cpu_limit_overwrite_max_allowed helper_cpu_request helper_cpu_request_overwrite_max_allowed
    helper_memory_limit helper_memory_limit_overwrite_max_allowed helper_memory_request
    helper_memory_request_overwrite_max_allowed helper_ephemeral_storage_limit
    helper_ephemeral_storage_limit_overwrite_max_allowed helper_ephemeral_storage_request
    helper_ephemeral_storage_request_overwrite_max_allowed pod_cpu_limit pod_cpu_limit_overwrite_max_allowed
    pod_cpu_request pod_cpu_request_overwrite_max_allowed pod_memory_limit
    pod_memory_limit_overwrite_max_allowed pod_memory_request pod_memory_request_overwrite_max_allowed
    allowed_images[] allowed_pull_policies[] allowed_services[] allowed_users[] allowed_groups[] pull_policy
    node_selector node_selector_overwrite_allowed node_tolerations node_tolerations_overwrite_allowed affinity
    image_pull_secrets[] use_service_account_image_pull_secrets helper_image helper_image_flavor
    helper_image_autoset_arch_and_os pod_termination_grace_period_seconds cleanup_grace_period_seconds
    cleanup_resources_timeout poll_interval poll_timeout resource_availability_check_max_attempts retry_limit
    retry_backoff_max retry_limits pod_labels pod_labels_overwrite_allowed scheduler_name service_account
    service_account_overwrite_allowed automount_service_account_token pod_annotations
    pod_annotations_overwrite_allowed pod_security_context init_permissions_container_security_context
    build_container_security_context helper_container_security_context service_container_security_context
    volumes host_aliases[] services[] cap_add[] cap_drop[] suspend_pvc_size suspend_pvc_storage_class dns_policy
    dns_config container_lifecycle priority_class_name pod_spec[] logs_base_dir scripts_base_dir
    print_pod_warning_events pod_disruption_budget autoscaler`,
  "runners[].kubernetes.affinity": `
    node_affinity pod_affinity pod_anti_affinity`,
  "runners[].kubernetes.affinity.node_affinity": `
    required_during_scheduling_ignored_during_execution preferred_during_scheduling_ignored_during_execution[]`,
  "runners[].kubernetes.affinity.node_affinity.required_during_scheduling_ignored_during_execution": `
    node_selector_terms[]`,
  "runners[].kubernetes.affinity.node_affinity.required_during_scheduling_ignored_during_execution.node_selector_terms[]": `
    match_expressions[] match_fields[]`,
  "runners[].kubernetes.affinity.node_affinity.required_during_scheduling_ignored_during_execution.node_selector_terms[].match_expressions[]": `
    key operator values[]`,
  "runners[].kubernetes.affinity.node_affinity.required_during_scheduling_ignored_during_execution.node_selector_terms[].match_fields[]": `
    key operator values[]`,
  "runners[].kubernetes.affinity.node_affinity.preferred_during_scheduling_ignored_during_execution[]": `
    weight preference`,
  "runners[].kubernetes.affinity.node_affinity.preferred_during_scheduling_ignored_during_execution[].preference": `
    match_expressions[] match_fields[]`,
  "runners[].kubernetes.affinity.node_affinity.preferred_during_scheduling_ignored_during_execution[].preference.match_expressions[]": `
    key operator values[]`,
  "runners[].kubernetes.affinity.node_affinity.preferred_during_scheduling_ignored_during_execution[].preference.match_fields[]": `
    key operator values[]`,
  "runners[].kubernetes.affinity.pod_affinity": `
    required_during_scheduling_ignored_during_execution[] preferred_during_scheduling_ignored_during_execution[]`,
  "runners[].kubernetes.affinity.pod_affinity.required_during_scheduling_ignored_during_execution[]": `
    label_selector namespaces[] topology_key namespace_selector match_label_keys[] mismatch_label_keys[]`,
  "runners[].kubernetes.affinity.pod_affinity.required_during_scheduling_ignored_during_execution[].label_selector": `
    match_labels match_expressions[]`,
  "runners[].kubernetes.affinity.pod_affinity.required_during_scheduling_ignored_during_execution[].label_selector.match_expressions[]": `
    key operator values[]`,
  "runners[].kubernetes.affinity.pod_affinity.required_during_scheduling_ignored_during_execution[].namespace_selector": `
    match_labels match_expressions[]`,
  "runners[].kubernetes.affinity.pod_affinity.required_during_scheduling_ignored_during_execution[].namespace_selector.match_expressions[]": `
    key operator values[]`,
  "runners[].kubernetes.affinity.pod_affinity.preferred_during_scheduling_ignored_during_execution[]": `
    weight pod_affinity_term`,
  "runners[].kubernetes.affinity.pod_affinity.preferred_during_scheduling_ignored_during_execution[].pod_affinity_term": `
    label_selector namespaces[] topology_key namespace_selector match_label_keys[] mismatch_label_keys[]`,
  "runners[].kubernetes.affinity.pod_affinity.preferred_during_scheduling_ignored_during_execution[].pod_affinity_term.label_selector": `
    match_labels match_expressions[]`,
  "runners[].kubernetes.affinity.pod_affinity.preferred_during_scheduling_ignored_during_execution[].pod_affinity_term.label_selector.match_expressions[]": `
    key operator values[]`,
  "runners[].kubernetes.affinity.pod_affinity.preferred_during_scheduling_ignored_during_execution[].pod_affinity_term.namespace_selector": `
    match_labels match_expressions[]`,
  "runners[].kubernetes.affinity.pod_affinity.preferred_during_scheduling_ignored_during_execution[].pod_affinity_term.namespace_selector.match_expressions[]": `
    key operator values[]`,
  "runners[].kubernetes.affinity.pod_anti_affinity": `
    required_during_scheduling_ignored_during_execution[] preferred_during_scheduling_ignored_during_execution[]`,
  "runners[].kubernetes.affinity.pod_anti_affinity.required_during_scheduling_ignored_during_execution[]": `
    label_selector namespaces[] topology_key namespace_selector match_label_keys[] mismatch_label_keys[]`,
  "runners[].kubernetes.affinity.pod_anti_affinity.required_during_scheduling_ignored_during_execution[].label_selector": `
    match_labels match_expressions[]`,
  "runners[].kubernetes.affinity.pod_anti_affinity.required_during_scheduling_ignored_during_execution[].label_selector.match_expressions[]": `
    key operator values[]`,
  "runners[].kubernetes.affinity.pod_anti_affinity.required_during_scheduling_ignored_during_execution[].namespace_selector": `
    match_labels match_expressions[]`,
  "runners[].kubernetes.affinity.pod_anti_affinity.required_during_scheduling_ignored_during_execution[].namespace_selector.match_expressions[]": `
    key operator values[]`,
  "runners[].kubernetes.affinity.pod_anti_affinity.preferred_during_scheduling_ignored_during_execution[]": `
    weight pod_affinity_term`,
  "runners[].kubernetes.affinity.pod_anti_affinity.preferred_during_scheduling_ignored_during_execution[].pod_affinity_term": `
    label_selector namespaces[] topology_key namespace_selector match_label_keys[] mismatch_label_keys[]`,
  "runners[].kubernetes.affinity.pod_anti_affinity.preferred_during_scheduling_ignored_during_execution[].pod_affinity_term.label_selector": `
    match_labels match_expressions[]`,
  "runners[].kubernetes.affinity.pod_anti_affinity.preferred_during_scheduling_ignored_during_execution[].pod_affinity_term.label_selector.match_expressions[]": `
    key operator values[]`,
  "runners[].kubernetes.affinity.pod_anti_affinity.preferred_during_scheduling_ignored_during_execution[].pod_affinity_term.namespace_selector": `
    match_labels match_expressions[]`,
  "runners[].kubernetes.affinity.pod_anti_affinity.preferred_during_scheduling_ignored_during_execution[].pod_affinity_term.namespace_selector.match_expressions[]": `
    key operator values[]`,
  "runners[].kubernetes.pod_security_context": `
    fs_group run_as_group run_as_non_root run_as_user supplemental_groups[] selinux_type seccomp_profile
    app_armor_profile`,
  "runners[].kubernetes.pod_security_context.seccomp_profile": `
    type localhost_profile`,
  "runners[].kubernetes.pod_security_context.app_armor_profile": `
    type localhost_profile`,
  "runners[].kubernetes.init_permissions_container_security_context": `
    capabilities privileged run_as_user run_as_group run_as_non_root read_only_root_filesystem
    allow_privilege_escalation selinux_type proc_mount seccomp_profile app_armor_profile`,
  "runners[].kubernetes.init_permissions_container_security_context.capabilities": `
    add[] drop[]`,
  "runners[].kubernetes.init_permissions_container_security_context.seccomp_profile": `
    type localhost_profile`,
  "runners[].kubernetes.init_permissions_container_security_context.app_armor_profile": `
    type localhost_profile`,
  "runners[].kubernetes.build_container_security_context": `
    capabilities privileged run_as_user run_as_group run_as_non_root read_only_root_filesystem
    allow_privilege_escalation selinux_type proc_mount seccomp_profile app_armor_profile`,
  "runners[].kubernetes.build_container_security_context.capabilities": `
    add[] drop[]`,
  "runners[].kubernetes.build_container_security_context.seccomp_profile": `
    type localhost_profile`,
  "runners[].kubernetes.build_container_security_context.app_armor_profile": `
    type localhost_profile`,
  "runners[].kubernetes.helper_container_security_context": `
    capabilities privileged run_as_user run_as_group run_as_non_root read_only_root_filesystem
    allow_privilege_escalation selinux_type proc_mount seccomp_profile app_armor_profile`,
  "runners[].kubernetes.helper_container_security_context.capabilities": `
    add[] drop[]`,
  "runners[].kubernetes.helper_container_security_context.seccomp_profile": `
    type localhost_profile`,
  "runners[].kubernetes.helper_container_security_context.app_armor_profile": `
    type localhost_profile`,
  "runners[].kubernetes.service_container_security_context": `
    capabilities privileged run_as_user run_as_group run_as_non_root read_only_root_filesystem
    allow_privilege_escalation selinux_type proc_mount seccomp_profile app_armor_profile`,
  "runners[].kubernetes.service_container_security_context.capabilities": `
    add[] drop[]`,
  "runners[].kubernetes.service_container_security_context.seccomp_profile": `
    type localhost_profile`,
  "runners[].kubernetes.service_container_security_context.app_armor_profile": `
    type localhost_profile`,
  "runners[].kubernetes.volumes": `
    host_path[] pvc[] config_map[] secret[] empty_dir[] csi[] nfs[]`,
  "runners[].kubernetes.volumes.host_path[]": `
    name mount_path sub_path read_only host_path mount_propagation`,
  "runners[].kubernetes.volumes.pvc[]": `
    name mount_path sub_path read_only mount_propagation`,
  "runners[].kubernetes.volumes.config_map[]": `
    name mount_path sub_path read_only items`,
  "runners[].kubernetes.volumes.secret[]": `
    name mount_path sub_path read_only items`,
  "runners[].kubernetes.volumes.empty_dir[]": `
    name mount_path sub_path medium size_limit mount_propagation`,
  "runners[].kubernetes.volumes.csi[]": `
    name mount_path sub_path driver fs_type read_only volume_attributes`,
  "runners[].kubernetes.volumes.nfs[]": `
    name mount_path sub_path server path read_only`,
  "runners[].kubernetes.host_aliases[]": `
    ip hostnames[]`,
  "runners[].kubernetes.services[]": `
    name alias command[] entrypoint[] environment[] suspend_data_path`,
  "runners[].kubernetes.dns_config": `
    nameservers[] options[] searches[]`,
  "runners[].kubernetes.dns_config.options[]": `
    name value`,
  "runners[].kubernetes.container_lifecycle": `
    post_start pre_stop`,
  "runners[].kubernetes.container_lifecycle.post_start": `
    exec http_get tcp_socket`,
  "runners[].kubernetes.container_lifecycle.post_start.exec": `
    command[]`,
  "runners[].kubernetes.container_lifecycle.post_start.http_get": `
    host http_headers[] path port scheme`,
  "runners[].kubernetes.container_lifecycle.post_start.http_get.http_headers[]": `
    name value`,
  "runners[].kubernetes.container_lifecycle.post_start.tcp_socket": `
    host port`,
  "runners[].kubernetes.container_lifecycle.pre_stop": `
    exec http_get tcp_socket`,
  "runners[].kubernetes.container_lifecycle.pre_stop.exec": `
    command[]`,
  "runners[].kubernetes.container_lifecycle.pre_stop.http_get": `
    host http_headers[] path port scheme`,
  "runners[].kubernetes.container_lifecycle.pre_stop.http_get.http_headers[]": `
    name value`,
  "runners[].kubernetes.container_lifecycle.pre_stop.tcp_socket": `
    host port`,
  "runners[].kubernetes.pod_spec[]": `
    name patch_path patch patch_type`,
  "runners[].kubernetes.autoscaler": `
    max_pause_pods pause_pod_image pause_pod_priority_class_name policy[] pause_pod_image_pull_secrets[]`,
  "runners[].kubernetes.autoscaler.policy[]": `
    periods[] timezone idle_count idle_time scale_factor scale_factor_limit preemptive_mode`,
  "runners[].custom": `
    config_exec config_args[] config_exec_timeout prepare_exec prepare_args[] prepare_exec_timeout run_exec
    run_args[] cleanup_exec cleanup_args[] cleanup_exec_timeout graceful_kill_timeout force_kill_timeout`,
  "runners[].autoscaler": `
    capacity_per_instance max_use_count max_instances plugin plugin_config connector_config policy[]
    instance_ready_command instance_acquire_timeout update_interval update_interval_when_expecting
    deletion_retry_interval shutdown_deletion_interval shutdown_deletion_retries failure_threshold
    scale_throttle reservation_throttling log_internal_ip log_external_ip delete_instances_on_shutdown
    vm_isolation state_storage instance_operation_time_buckets[] instance_creation_time_buckets[]
    instance_is_running_time_buckets[] instance_deletion_time_buckets[] instance_readiness_time_buckets[]
    instance_life_duration_buckets[]`,
  "runners[].autoscaler.connector_config": `
    os arch protocol protocol_port username password key_path use_static_credentials keepalive timeout
    use_external_addr`,
  "runners[].autoscaler.policy[]": `
    periods[] timezone idle_count idle_time scale_factor scale_factor_limit preemptive_mode`,
  "runners[].autoscaler.scale_throttle": `
    limit burst`,
  "runners[].autoscaler.vm_isolation": `
    enabled nesting_host nesting_config image connector_config`,
  "runners[].autoscaler.vm_isolation.connector_config": `
    os arch protocol protocol_port username password key_path use_static_credentials keepalive timeout
    use_external_addr`,
  "runners[].autoscaler.state_storage": `
    enabled dir keep_instance_with_acquisitions`,
  machine: `
    shutdown_drain`,
  "machine.shutdown_drain": `
    enabled concurrency max_retries retry_backoff`,
  experimental: `
    usage_logger`,
  "experimental.usage_logger": `
    enabled writers[] logrotate snowplow_billing log_dir max_backup_files max_rotation_age labels`,
  "experimental.usage_logger.logrotate": `
    log_dir max_backup_files max_rotation_age labels`,
  "experimental.usage_logger.snowplow_billing": `
    collector_uri app_id category realm deployment_type metadata enable_oidc batch_delivery_duration_buckets[]
    skip_oidc_if_unsupported_cloud skip_runner_system_failure`,
};
