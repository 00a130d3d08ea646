# Stands in for Kafka UI where it cannot be pulled: a page with the topics and groups that Kafka's own tools see at the address that Kafka
# UI's variables name.
FROM debian:bookworm-slim
LABEL kafka-dojo.stand-in=true
RUN apt-get update \
 && apt-get install -y --no-install-recommends busybox openjdk-17-jre-headless \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 100 kafkaui
COPY --from=jars . /opt/kafka/libs
COPY kafka-ui-run /kafka-ui-run
USER kafkaui
CMD ["bash", "/kafka-ui-run"]
