# Two images: `server` is quernd, `balancer` is HAProxy with a configuration rendered at its start.
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


FROM debian:bookworm-slim AS base
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin quern
COPY --from=builder /src/config/quern.json /etc/quern/quern.json
COPY docker/healthcheck /usr/local/bin/healthcheck


FROM base AS server
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
		libevent-core-2.1-7 libjansson4 libpng16-16 libqrencode4 zlib1g \
	&& rm -rf /var/lib/apt/lists/*
COPY --from=builder /src/build/quernd /src/build/quernctl /usr/local/bin/
# Inside a container loopback would reach nobody. Nothing that acts can be reached over either address.
ENV QUERN_WORKERS_ADDRESS=0.0.0.0 QUERN_ADMIN_ADDRESS=0.0.0.0:8090
USER 10001:10001
EXPOSE 8090 8091 8100-8131
HEALTHCHECK --interval=5s --timeout=6s --start-period=10s --retries=3 CMD ["healthcheck", "8090", "/healthz"]
# SIGTERM, the default, drains the workers.
ENTRYPOINT ["quernd", "-c", "/etc/quern/quern.json"]


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
