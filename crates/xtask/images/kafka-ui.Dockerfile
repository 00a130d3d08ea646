# Stands in for Kafka UI where it cannot be pulled: a page with the topics and groups that Kafka's own tools see at the address that Kafka
# UI's variables name.
FROM apache/kafka:4.3.1
LABEL kafka-dojo.stand-in=true
USER root
RUN apt-get update && apt-get install -y --no-install-recommends busybox && rm -rf /var/lib/apt/lists/*
COPY kafka-ui-run /kafka-ui-run
USER appuser
CMD ["bash", "/kafka-ui-run"]
