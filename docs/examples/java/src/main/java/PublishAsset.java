import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Map;
import java.util.UUID;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.StringSerializer;

/** Publishes an asset event: CloudEvents in binary mode. The attributes are headers, the value is JSON. */
public class PublishAsset {
    public static void main(String[] arguments) throws Exception {
        if (arguments.length != 3) {
            throw new IllegalArgumentException("usage: PublishAsset SERVERS TOPIC URI");
        }
        String topic = arguments[1];
        String uri = arguments[2];
        String assetId = uri.substring(uri.lastIndexOf('/') + 1); // any name that stays the same
        String data =
                """
                {"uri": %s, "asset_id": %s, "labels": {"desk": "sport"}, "priority": "interactive"}
                """
                        .formatted(quoted(uri), quoted(assetId));
        ProducerRecord<String, String> event = new ProducerRecord<>(topic, assetId, data);
        Map.of(
                        "ce_specversion", "1.0",
                        "ce_id", UUID.randomUUID().toString(),
                        "ce_source", "urn:example:publish-asset",
                        "ce_type", "rushes.asset.published.v1",
                        "ce_time", Instant.now().toString(),
                        "ce_tenant", "acme",
                        "ce_project", "news",
                        "content-type", "application/json")
                .forEach((name, value) -> event.headers().add(name, value.getBytes(StandardCharsets.UTF_8)));
        Map<String, Object> settings = Map.of("bootstrap.servers", arguments[0]);
        try (KafkaProducer<String, String> producer =
                new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            RecordMetadata sent = producer.send(event).get(); // throws what the broker refused
            System.out.printf(
                    "published to %s, partition %d, offset %d%n", sent.topic(), sent.partition(), sent.offset());
        }
    }

    /** JSON without a library: enough for uris and names without control characters. */
    private static String quoted(String text) {
        return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"") + '"';
    }
}
