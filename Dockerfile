# Two images: `server` is quernd, `balancer` is HAProxy with a configuration rendered at its start. Three more keep their
# figures, where they are wanted: `prometheus`, `statsd` and `graphite`.
# docs/docker.md says how to use them; docker-compose.yml puts them together.

FROM debian:bookworm-slim AS builder
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
		gcc libc6-dev libevent-dev libjansson-dev libpng-dev libqrencode-dev libssl-dev make pkg-config \
		zlib1g-dev \
	&& rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN make -j"$(nproc)" build/quernd build/quernctl build/quern-balancer \
	&& strip build/quernd build/quernctl build/quern-balancer


FROM debian:bookworm-slim AS user
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin quern
COPY docker/healthcheck /usr/local/bin/healthcheck


FROM user AS base
COPY --from=builder /src/config/quern.json /etc/quern/quern.json


FROM base AS server
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
		libevent-core-2.1-7 libjansson4 libpng16-16 libqrencode4 libssl3 zlib1g \
	&& rm -rf /var/lib/apt/lists/*
COPY --from=builder /src/build/quernd /src/build/quernctl /usr/local/bin/
COPY docker/server /usr/local/bin/server
# Inside a container loopback would reach nobody. Nothing that acts can be reached over either address.
ENV QUERN_WORKERS_ADDRESS=0.0.0.0 QUERN_ADMIN_ADDRESS=0.0.0.0:8090
USER 10001:10001
EXPOSE 8090 8091 8100-8131
HEALTHCHECK --interval=5s --timeout=6s --start-period=10s --retries=3 CMD ["healthcheck", "8090", "/healthz"]
# SIGTERM, the default, drains the workers.
ENTRYPOINT ["server"]


FROM base AS balancer
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
		haproxy libjansson4 \
	&& rm -rf /var/lib/apt/lists/*
COPY --from=builder /src/build/quern-balancer /usr/local/bin/
COPY docker/balancer /usr/local/bin/balancer
ENV QUERN_BALANCER_LISTEN=0.0.0.0:8080 QUERN_BALANCER_STATS=127.0.0.1:8404 QUERN_BALANCER_DISCOVERY=dns
RUN install -d -o quern -g quern -m 700 /run/quern
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGUSR1
HEALTHCHECK --interval=5s --timeout=6s --start-period=10s --retries=3 CMD \
	["healthcheck", "8404", "/metrics?scope=backend", "^haproxy_backend_active_servers{proxy=\"workers\"} [1-9]"]
ENTRYPOINT ["balancer"]


FROM user AS prometheus
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends prometheus \
	&& rm -rf /var/lib/apt/lists/* /var/lib/prometheus
COPY packaging/prometheus/quern-*.yml docker/prometheus.yml /etc/prometheus/
# A volume that is new takes over the owner.
RUN install -d -o quern -g quern -m 700 /var/lib/prometheus
USER 10001:10001
EXPOSE 9090
HEALTHCHECK --interval=5s --timeout=6s --start-period=30s --retries=3 CMD ["healthcheck", "9090", "/-/ready"]
ENTRYPOINT ["prometheus", "--config.file=/etc/prometheus/prometheus.yml", "--log.level=warn", \
	"--storage.tsdb.path=/var/lib/prometheus", "--storage.tsdb.retention.time=15d", "--storage.tsdb.retention.size=2GB"]


# What package-lock.json names. `SERVICE_BUILD=build/compose/statsd bench/services/statsd/prepare` on the host spares
# npm, which is large, and works where the host has a way out that containers have not.
FROM debian:bookworm-slim AS statsd-package
WORKDIR /opt/statsd
COPY bench/services/statsd/package.json bench/services/statsd/package-lock.json build/compose/statsd* ./
RUN if [ ! -d node_modules/statsd ]; then \
		apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends npm \
		&& npm ci --ignore-scripts --omit=dev --omit=optional --no-audit --no-fund --no-update-notifier; \
	fi


FROM user AS statsd
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends nodejs \
	&& rm -rf /var/lib/apt/lists/*
COPY --from=statsd-package /opt/statsd/node_modules /opt/statsd/node_modules
COPY docker/statsd.js /etc/statsd.js
USER 10001:10001
EXPOSE 8125/udp
HEALTHCHECK --interval=5s --timeout=6s --start-period=10s --retries=3 CMD \
	["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8126 && echo health >&3 && read -r line <&3 && [[ $line == 'health: up' ]]"]
ENTRYPOINT ["node", "/opt/statsd/node_modules/statsd/stats.js", "/etc/statsd.js"]


FROM user AS graphite
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
		graphite-carbon graphite-web gunicorn python3-whitenoise \
	&& rm -rf /var/lib/apt/lists/* /var/lib/graphite
COPY docker/carbon.conf docker/storage-aggregation.conf /etc/carbon/
COPY docker/graphite_settings.py docker/graphite_wsgi.py /etc/graphite/
COPY docker/graphite /usr/local/bin/graphite
RUN install -d -o quern -g quern -m 700 /var/lib/graphite
USER 10001:10001
EXPOSE 2003 8080
HEALTHCHECK --interval=5s --timeout=6s --start-period=60s --retries=3 CMD ["healthcheck", "8080", "/render?target=none"]
ENTRYPOINT ["graphite"]
