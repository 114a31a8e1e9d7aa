"""Codes of Kafka, of topics and of the processes of one deployment."""

from stream.error_codes.entry import ErrorCode, ErrorKind, fatal, unavailable

BROKERS = (
    fatal(
        "invalid_broker",
        "The broker's address or the client properties cannot be used.",
        "Write `kafka://host:port`, and put secrets into a file for `--client-properties`.",
    ),
    unavailable(
        "broker_unavailable",
        "The broker does not answer or refuses for now.",
        "Check that the brokers are up and reachable; work goes on by itself when they are.",
    ),
    unavailable(
        "broker_slow",
        "The broker takes records more slowly than they are made.",
        "Look after the brokers' disks and network; work goes on by itself.",
    ),
    unavailable(
        "delivery_failed",
        "The broker did not take what a stage sent.",
        "Check the brokers; the records are sent again by themselves.",
    ),
    fatal(
        "broker_refused",
        "The broker refuses this client for good, for example for a missing right.",
        "Give the user the right that the message names, and start again. Who may only write a topic of their own"
        " learns from the service what became of their assets.",
    ),
    fatal(
        "unauthenticated",
        "The broker does not accept this client's credentials.",
        "Check `sasl.username`, `sasl.password` and `sasl.mechanisms` in the client properties.",
    ),
    fatal(
        "tls_failed",
        "The encrypted connection cannot be made.",
        "Check `ssl.ca.location` in the client properties: it names the certificate that the broker's is signed with.",
    ),
    fatal(
        "protocol_mismatch",
        "The broker speaks another security protocol than this client.",
        "Set `security.protocol` and what belongs to it in a file for `--client-properties`.",
    ),
    fatal(
        "offsets_retention",
        "The cluster forgets the place of a stopped group too soon.",
        "Set `offsets.retention.minutes` to at least a week on every broker.",
    ),
    ErrorCode(
        "unknown_topic",
        (ErrorKind.FATAL, ErrorKind.UNAVAILABLE),
        "A topic of the deployment does not exist.",
        "Make the topics with `rushes kafka topics`, or start a worker with `rushes run`.",
    ),
    fatal(
        "topic_mismatch",
        "A topic exists with other settings than it needs.",
        "Give the topic the settings that the message names; nothing was altered.",
    ),
    unavailable(
        "topic_created_again",
        "A topic was deleted and created again under its name.",
        "Nothing: it is read from its beginning. Publish again what the old topic held and no stage had done.",
    ),
    fatal(
        "table_partitions",
        "The topic `progress` and the control plane's table have different numbers of partitions.",
        "Delete the topic and reset the group that the message names, then start the control plane again.",
    ),
    fatal(
        "records_lost",
        "Records were deleted from a topic before their group had read them.",
        "Publish their assets again, stop the stage, set the partition's offset that the message names, and start it.",
    ),
    unavailable(
        "control_ended",
        "The control plane stopped or did not come up.",
        "Look into its log and start `rushes control` again.",
    ),
    fatal(
        "invalid_deployment",
        "The deployment's name cannot be used.",
        "Take 1 to 32 characters of a-z and 0-9, with single hyphens between them.",
    ),
    fatal(
        "other_models",
        "This process has other models than its roll-out.",
        "Give every process the same models, or begin a new roll-out with a later `--epoch-ms`.",
    ),
    fatal("kafka_jars", "Kafka's jars could not be fetched by Maven.", "Check the network, then `rushes kafka fetch`."),
    fatal(
        "kafka_start", "The local Kafka node did not start.", "Do what the end of its log says; the message shows it."
    ),
    fatal(
        "kafka_security",
        "The local node was made with another kind of security.",
        "Choose another directory with `--dir`.",
    ),
    fatal("program_missing", "A program that is needed is not installed.", "Install it as the message says."),
    fatal("no_port", "No port of the loopback is free.", "End what holds so many ports, then try again."),
)
