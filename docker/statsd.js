// statsd beside the fleet: from quernd by UDP, to the service graphite, as often as quernd sends.
{
  address: "0.0.0.0",
  port: 8125,
  mgmt_address: "127.0.0.1",
  mgmt_port: 8126,
  title: false,
  automaticConfigReload: false,
  flushInterval: Number(process.env.QUERN_METRICS_INTERVAL_MS || 10000),
  percentThreshold: [95, 99],
  // Where nothing came there is no point, rather than one of 0 or of long ago.
  deleteIdleStats: true,
  deleteGauges: true,
  backends: ["./backends/graphite"],
  graphiteHost: "graphite",
  graphitePort: 2003,
  graphite: { legacyNamespace: false }
}
