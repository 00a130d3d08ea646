# Stands in for apache/kafka where it cannot be pulled: the same jars, and the class that the image's own entry point runs, so that the
# variables of a compose file are read as the real image reads them.
FROM debian:bookworm-slim
LABEL kafka-dojo.stand-in=true
RUN apt-get update \
 && apt-get install -y --no-install-recommends openjdk-17-jre-headless \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 1000 --create-home appuser \
 && mkdir -p /opt/kafka/config /etc/kafka/docker /etc/kafka/secrets /mnt/shared/config /var/lib/kafka/data \
 && touch /etc/kafka/docker/server.properties \
 && chown -R appuser /opt/kafka /etc/kafka /mnt/shared/config /var/lib/kafka
COPY --from=jars . /opt/kafka/libs
COPY log4j2.yaml /etc/kafka/docker/log4j2.yaml
COPY log4j2.yaml /etc/kafka/docker/tools-log4j2.yaml
COPY kafka-run /etc/kafka/docker/run
USER appuser
VOLUME ["/etc/kafka/secrets", "/var/lib/kafka/data", "/mnt/shared/config"]
CMD ["bash", "/etc/kafka/docker/run"]
