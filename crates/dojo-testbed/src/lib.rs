//! A Kafka for each test: the embedded broker, or Apache Kafka where the suite runs on it.
