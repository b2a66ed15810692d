"""The keys of a KubeletConfiguration, kubelet.config.k8s.io/v1beta1, as of 1.36.3.

The list is generated from the kubelet's own types (real/oracle/kubelet, `keys`), and tests/kubelet
checks it. Nested keys have dots. Keys in free-form maps (featureGates, evictionHard, ...) and
within lists are not listed.
"""

from typing import Final

KEYS: Final = frozenset(
    """
    kind apiVersion enableServer staticPodPath podLogsDir syncFrequency fileCheckFrequency
    httpCheckFrequency staticPodURL staticPodURLHeader address port readOnlyPort tlsCertFile
    tlsPrivateKeyFile tlsCipherSuites tlsCurvePreferences tlsMinVersion rotateCertificates
    serverTLSBootstrap authentication authentication.x509 authentication.x509.clientCAFile
    authentication.webhook authentication.webhook.enabled authentication.webhook.cacheTTL
    authentication.anonymous authentication.anonymous.enabled authorization authorization.mode
    authorization.webhook authorization.webhook.cacheAuthorizedTTL
    authorization.webhook.cacheUnauthorizedTTL registryPullQPS registryBurst
    imagePullCredentialsVerificationPolicy preloadedImagesVerificationAllowlist eventRecordQPS
    eventBurst enableDebuggingHandlers enableContentionProfiling healthzPort healthzBindAddress
    oomScoreAdj clusterDomain clusterDNS streamingConnectionIdleTimeout
    nodeStatusUpdateFrequency nodeStatusReportFrequency nodeLeaseDurationSeconds
    imageMinimumGCAge imageMaximumGCAge imageGCHighThresholdPercent imageGCLowThresholdPercent
    volumeStatsAggPeriod kubeletCgroups systemCgroups cgroupRoot cgroupsPerQOS cgroupDriver
    cpuManagerPolicy singleProcessOOMKill cpuManagerPolicyOptions cpuManagerReconcilePeriod
    memoryManagerPolicy topologyManagerPolicy topologyManagerScope topologyManagerPolicyOptions
    qosReserved runtimeRequestTimeout hairpinMode maxPods podCIDR podPidsLimit resolvConf
    runOnce cpuCFSQuota cpuCFSQuotaPeriod nodeStatusMaxImages maxOpenFiles contentType
    kubeAPIQPS kubeAPIBurst serializeImagePulls maxParallelImagePulls evictionHard evictionSoft
    evictionSoftGracePeriod evictionPressureTransitionPeriod evictionMaxPodGracePeriod
    evictionMinimumReclaim mergeDefaultEvictionSettings podsPerCore enableControllerAttachDetach
    protectKernelDefaults makeIPTablesUtilChains iptablesMasqueradeBit iptablesDropBit
    featureGates failSwapOn memorySwap memorySwap.swapBehavior containerLogMaxSize
    containerLogMaxFiles containerLogMaxWorkers containerLogMonitorInterval
    configMapAndSecretChangeDetectionStrategy systemReserved kubeReserved reservedSystemCPUs
    showHiddenMetricsForVersion systemReservedCgroup kubeReservedCgroup enforceNodeAllocatable
    allowedUnsafeSysctls volumePluginDir providerID kernelMemcgNotification logging
    logging.format logging.flushFrequency logging.verbosity logging.vmodule logging.options
    logging.options.text logging.options.text.splitStream logging.options.text.infoBufferSize
    logging.options.json logging.options.json.splitStream logging.options.json.infoBufferSize
    enableSystemLogHandler enableSystemLogQuery shutdownGracePeriod
    shutdownGracePeriodCriticalPods shutdownGracePeriodByPodPriority crashLoopBackOff
    crashLoopBackOff.maxContainerRestartPeriod reservedMemory enableProfilingHandler
    enableDebugFlagsHandler seccompDefault memoryThrottlingFactor memoryReservationPolicy
    registerWithTaints registerNode tracing tracing.endpoint tracing.samplingRatePerMillion
    localStorageCapacityIsolation containerRuntimeEndpoint imageServiceEndpoint failCgroupV1
    userNamespaces userNamespaces.idsPerPod
    """.split()  # noqa: SIM905 - a list of 140 strings is no easier to read
)

_BY_FOLDED: Final = {key.casefold(): key for key in KEYS}
_WITHIN: Final = {""} | {key.rpartition(".")[0] for key in KEYS}


def right_case(dotted: str) -> str | None:
    """The known key that differs from `dotted` only in case; None if no key does."""
    meant = _BY_FOLDED.get(dotted.casefold())
    return meant if meant != dotted else None


def holds_keys(dotted: str) -> bool:
    """Whether KEYS lists the keys below this key. "" stands for the top level of the file."""
    return dotted in _WITHIN
