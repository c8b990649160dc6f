import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.UUID;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Submits images as one batch with nothing but Kafka's own client, and prints the chain id of each.
 *
 * <p>java -cp 'kafka/jars/*' Submit.java HOST:PORT BATCH_ID IMAGE_PATH...
 */
final class Submit {
    /** UUIDv5 of "chain.ocrstream" in the DNS namespace. */
    private static final UUID CHAIN_NAMESPACE =
            UUID.fromString("4b8a1889-b256-55b6-83e4-2775fe50b1dc");

    public static void main(String[] arguments) throws Exception {
        String batchId = arguments[1];
        int total = arguments.length - 2;
        Properties settings = new Properties();
        settings.put("bootstrap.servers", arguments[0]);
        settings.put("acks", "all");
        settings.put("enable.idempotence", "true");
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (var producer =
                new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            for (int index = 0; index < total; index++) {
                String chainId = uuid5(CHAIN_NAMESPACE, "[" + quoted(batchId) + "," + index + "]");
                // Readers derive the same chain id from batch and index, so it need not be sent;
                // as the key it spreads the images over the partitions.
                String value =
                        "{\"type\":\"ImageSubmitted\",\"image_path\":" + quoted(arguments[index + 2])
                                + ",\"batch_id\":" + quoted(batchId)
                                + ",\"index\":" + index
                                + ",\"batch_total\":" + total + "}";
                sent.add(producer.send(new ProducerRecord<>("images.submitted", chainId, value)));
                System.out.println(chainId);
            }
            for (Future<RecordMetadata> one : sent) {
                one.get(); // throws what kept the broker from acknowledging it
            }
        }
    }

    /** RFC 9562, version 5: the first 16 bytes of SHA-1 over namespace and name. */
    static String uuid5(UUID namespace, String name) throws Exception {
        MessageDigest sha1 = MessageDigest.getInstance("SHA-1");
        sha1.update(
                ByteBuffer.allocate(16)
                        .putLong(namespace.getMostSignificantBits())
                        .putLong(namespace.getLeastSignificantBits())
                        .array());
        ByteBuffer hash = ByteBuffer.wrap(sha1.digest(name.getBytes(StandardCharsets.UTF_8)));
        long most = hash.getLong() & ~0xF000L | 0x5000L;
        long least = hash.getLong() & ~(0b11L << 62) | 0b10L << 62;
        return new UUID(most, least).toString();
    }

    /** A JSON string with as few escapes as JSON allows, which is how ids are derived. */
    static String quoted(String text) {
        StringBuilder json = new StringBuilder("\"");
        for (char one : text.toCharArray()) {
            switch (one) {
                case '"' -> json.append("\\\"");
                case '\\' -> json.append("\\\\");
                case '\b' -> json.append("\\b");
                case '\f' -> json.append("\\f");
                case '\n' -> json.append("\\n");
                case '\r' -> json.append("\\r");
                case '\t' -> json.append("\\t");
                default -> {
                    if (one < ' ') {
                        json.append(String.format("\\u%04x", (int) one));
                    } else {
                        json.append(one);
                    }
                }
            }
        }
        return json.append('"').toString();
    }
}
