"""What Coder's server can be told that coderai knows of but does not do, so that a deployment's files and
environment load as they are: the names met fall under one warning. As flags, only metrics and tracing are let
through: they change nothing of what is relayed or recorded. The others are refused, never silently ignored.

An option that lands in coderai leaves these lists. Spec: https://coder.com/docs/reference/cli/server
"""

# Below `aibridge` (or `ai_gateway`): also --aibridge-x-y and CODER_AIBRIDGE_X_Y.
AIBRIDGE = """
    inject_coder_mcp_tools actor_header_id actor_header_username proxy_enabled proxy_listen_addr
    proxy_tls_cert_file proxy_tls_key_file proxy_cert_file proxy_key_file proxy_domain_allowlist
    proxy_upstream proxy_upstream_ca proxy_allowed_private_cidrs proxy_dump_dir
"""
ODD_VARIABLES = """
    CODER_AI_GATEWAY_KEY CODER_AI_GATEWAY_KEY_FILE CODER_AI_GATEWAY_HTTP_ADDRESS
    CODER_AI_GATEWAY_TLS_CERT_FILE CODER_AI_GATEWAY_TLS_KEY_FILE CODER_AI_GATEWAY_PROXY_TARGET
"""

METRICS_AND_TRACING = {
    "prometheus-enable": "CODER_PROMETHEUS_ENABLE",
    "prometheus-address": "CODER_PROMETHEUS_ADDRESS",
    "prometheus-collect-agent-stats": "CODER_PROMETHEUS_COLLECT_AGENT_STATS",
    "prometheus-collect-db-metrics": "CODER_PROMETHEUS_COLLECT_DB_METRICS",
    "trace": "CODER_TRACE_ENABLE",
    "trace-logs": "CODER_TRACE_LOGS",
    "trace-honeycomb-api-key": "CODER_TRACE_HONEYCOMB_API_KEY",
    "trace-datadog": "CODER_TRACE_DATADOG",
    "pprof-enable": "CODER_PPROF_ENABLE",
    "pprof-address": "CODER_PPROF_ADDRESS",
}

REFUSED_FLAGS = (
    *(f"{prefix}-{key.replace('_', '-')}" for key in AIBRIDGE.split() for prefix in ("aibridge", "ai-gateway")),
)
VARIABLES = (
    *(f"CODER_{prefix}_{key.upper()}" for key in AIBRIDGE.split() for prefix in ("AIBRIDGE", "AI_GATEWAY")),
    *METRICS_AND_TRACING.values(),
    *ODD_VARIABLES.split(),
)

# Groups of which coderai reads some keys: Coder's others there, one by one, so that misspelt ones are seen.
_PARTLY_READ = {
    "aibridge": AIBRIDGE,
    "networking": """accessURL wildcardAccessURL docsURL redirectToAccessURL derp proxyTrustedHeaders
        proxyTrustedOrigins secureAuthCookie sameSiteAuthCookie hostPrefixCookie browserOnly cors""",
    "networking.http": """disablePasswordAuth disableSessionExpiryRefresh sessionDuration maxTokenLifetime
        maxAdminTokenLifetime defaultTokenDuration defaultTokenLifetime disablePathApps proxyHealthInterval
        proxyHealthStatusInterval additionalCSPPolicy strictTransportSecurity strictTransportSecurityOptions
        defaultOAuthRefreshLifetime""",
    "networking.tls": """redirectHTTP clientAuth clientCAFile clientCertFile clientKeyFile tlsCiphers
        tlsAllowInsecureCiphers""",
    "introspection": "statsCollection prometheus pprof tracing healthcheck",
    "introspection.logging": "enableTerraformDebugMode",
}

# Groups and keys at the top that are Coder's alone; what is below them is not looked at.
_TOP = """
    additionalCSPPolicy agentFallbackTroubleshootingURL agentStatRefreshInterval ai aibridgeproxy
    ai_gateway_proxy allowWorkspaceRenames allowCustomQuietHours autobuildPollInterval browserOnly
    cacheDir chat cliUpgradeMessage client config configSSH dangerous defaultQuietHoursSchedule derp
    disableOwnerWorkspaceAccess disablePathApps disablePasswordAuth email enableTerraformDebugMode
    ephemeralDeployment experiments externalAuth externalAuthProviders gitAuth healthcheck hideAITasks
    inMemoryDatabase inbox jobHangDetectorInterval metricsCacheRefreshInterval notifications oauth2 oidc
    pgAuth pgConnMaxIdle pgConnMaxOpen pprof prometheus postgres provisioning proxyHealthStatusInterval
    proxyTrustedHeaders proxyTrustedOrigins rateLimit rateLimitsDisableAll retention scim secureAuthCookie
    sshConfig sshKeygenAlgorithm strictTransportSecurity strictTransportSecurityOptions support
    supportLinks swagger telemetry templateBuilder termsOfServiceURL trace updateCheck
    userQuietHoursSchedule webTerminalRenderer wgtunnelHost wildcardAccessURL workspacePrebuilds
    workspace_prebuilds workspaceHostnameSuffix
"""

YAML_PATHS = frozenset(_TOP.split()) | {
    f"{group}.{key}" for group, keys in _PARTLY_READ.items() for key in keys.split()
}
