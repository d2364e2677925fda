{
  address: "127.0.0.1",
  port: Number(process.env.PORT),
  mgmt_address: "127.0.0.1",
  mgmt_port: Number(process.env.PORT),
  title: false,
  automaticConfigReload: false,
  flushInterval: Number(process.env.STATSD_FLUSH_MS || 1000),
  percentThreshold: [95, 99],
  backends: ["./backends/graphite"],
  graphiteHost: "127.0.0.1",
  graphitePort: Number(process.env.GRAPHITE_CARBON_PORT),
  // Nothing came: no point, rather than a line at 0 ms.
  deleteTimers: true,
  graphite: { legacyNamespace: false }
}
