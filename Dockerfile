# The dojo: `dojo` and `dojo-run` in one image. Dependencies are built in a layer of their own, so that a change of the sources does
# not build them anew: librdkafka alone takes minutes.
ARG DEBIAN=bookworm

FROM rust:1-slim-${DEBIAN} AS toolchain
RUN apt-get update \
 && apt-get install -y --no-install-recommends g++ make pkg-config libssl-dev \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src

# What decides the dependencies and nothing else: the manifests, and an empty source for each crate and program. The next stage is built
# anew only when one of these files changes.
FROM toolchain AS manifests
COPY . .
RUN mkdir /manifests \
 && cp --parents Cargo.toml Cargo.lock .cargo/config.toml crates/*/Cargo.toml /manifests \
 && for file in crates/*/src/lib.rs; do install -D /dev/null "/manifests/$file"; done \
 && for file in $(find crates -path '*/src/main.rs' -o -path '*/benches/*.rs'); do \
      install -D /dev/null "/manifests/$file" && echo 'fn main() {}' > "/manifests/$file"; \
    done

FROM toolchain AS dependencies
COPY --from=manifests /manifests .
RUN cargo build --release --locked --package dojo --package dojo-run --features dojo/tls

FROM dependencies AS build
COPY . .
# The sources may be older than the empty ones that stood in for them.
RUN find crates -name '*.rs' -exec touch {} + \
 && cargo build --release --locked --package dojo --package dojo-run --features dojo/tls

# For the development overlay (compose.dev.yaml): sources are mounted, and built where they run.
FROM toolchain AS development
ENV CARGO_TARGET_DIR=/target CARGO_HOME=/cargo
# The first build takes minutes.
HEALTHCHECK --interval=5s --timeout=4s --start-period=30m --start-interval=1s CMD ["/target/debug/dojo", "health"]
ENTRYPOINT ["cargo", "run", "--locked", "--package", "xtask", "--", "watch", "--"]

FROM debian:${DEBIAN}-slim AS dojo
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates libssl3 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 1000 --no-create-home --shell /usr/sbin/nologin dojo
COPY --from=build /src/target/release/dojo /src/target/release/dojo-run /usr/local/bin/
WORKDIR /dojo
COPY rules rules
COPY scenarios scenarios
COPY crates/dojo-orders/templates templates
# Inside a container it listens on every address; which of them are seen from outside is for whoever runs it to say.
ENV HOST=0.0.0.0 TEMPLATES_DIR=templates
USER dojo
# Often while it starts. Later, each look at each service costs more than a quiet dojo does.
HEALTHCHECK --interval=15s --timeout=4s --start-period=60s --start-interval=500ms --retries=3 CMD ["dojo", "health"]
ENTRYPOINT ["dojo"]
