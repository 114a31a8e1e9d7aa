"""The broker on Apache Kafka, through librdkafka. Nothing outside this folder imports `confluent_kafka`.

Begin with `broker`, then `consumer`.
"""
