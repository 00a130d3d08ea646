# Stands in for rust:1-slim-bookworm where it cannot be pulled: this machine's toolchain, and whom this machine trusts.
FROM debian:bookworm-slim
LABEL kafka-dojo.stand-in=true
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates gcc libc6-dev \
 && rm -rf /var/lib/apt/lists/*
COPY --from=authorities . /usr/local/share/ca-certificates/
RUN update-ca-certificates
COPY --from=toolchain bin /usr/local/bin
COPY --from=toolchain lib /usr/local/lib
