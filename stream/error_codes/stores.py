"""Codes of the index, the Delta table and the state directory."""

from stream.error_codes.entry import fatal, unavailable

STORES = (
    unavailable("disk_full", "Less disk is free than a write must leave.", "Make room; writing resumes by itself."),
    unavailable(
        "store_unavailable",
        "The store cannot be read or written for now.",
        "Mend what the message names; nothing is lost, and writing resumes by itself.",
    ),
    unavailable(
        "store_locked",
        "The store has another writer.",
        "Nothing, if a stage was just moved; otherwise end the process that holds the store.",
    ),
    fatal(
        "store_unusable",
        "The store can never be used as it is: a path that cannot work, damaged files, or tables of another shape.",
        "Put a backup in its place, or name another state directory and publish the assets again.",
    ),
    fatal(
        "shards_differ",
        "The store is divided into another number of shards.",
        "Give the number that the store has, or divide it anew with `rushes stores reshard` while nobody writes.",
    ),
    fatal(
        "shards_unreadable",
        "The file that says how a store is divided into shards cannot be read.",
        "Put back the file of a backup, or let `rushes verify --repair` make the store anew.",
    ),
    fatal(
        "copy_differs",
        "The copy of a store in other shards has not as many rows as the store, which is unchanged.",
        "Compare the stores with `rushes verify`, repair what differs, and divide the store again.",
    ),
    fatal(
        "table_features",
        "Another tool gave the Delta table features that this release does not know how to keep.",
        "Put a backup in its place, or let `rushes verify --repair` make the table anew.",
    ),
    fatal("unusable_path", "The store cannot lie at this place.", "Choose another directory or URI."),
    fatal(
        "store_not_conditional",
        "The object store replaces objects that it was asked not to replace, so writers could not be told apart.",
        "Take an object store that supports conditional writes (`If-None-Match`).",
    ),
    unavailable(
        "state_locked",
        "Another rushes process works on the state directory.",
        "Wait for it, or use another `--state`.",
    ),
    fatal(
        "state_unwritable",
        "The state directory cannot be written.",
        "Make room, correct its rights, or choose another with `--state`.",
    ),
    fatal(
        "no_scratch",
        "There is no folder for temporary files.",
        "Make room or correct the rights of the folder that the message names.",
    ),
    fatal(
        "other_deployment",
        "The stores belong to a deployment of another name.",
        "Name that deployment with `--deployment`, take other stores, or let them change sides with `rushes adopt`.",
    ),
    fatal(
        "other_cluster",
        "The stores belong to another Kafka cluster.",
        "Take other stores with `--state`; where this cluster replaces that one, `rushes adopt`.",
    ),
    fatal(
        "other_stores",
        "The deployment keeps its stores elsewhere.",
        "Name those stores with `--state`, or give this deployment a name of its own with `--deployment`.",
    ),
    fatal("stores_in_use", "Workers are at work on the stores.", "Stop the stages that the message names first."),
    fatal(
        "stores_mark",
        "The file that says whose the stores are cannot be read.",
        "Remove the file, or put it right with `rushes adopt`.",
    ),
    fatal(
        "stores_mixed",
        "The index and the Delta table do not belong together.",
        "Put the right ones there, or make them one with `rushes adopt` and `rushes verify --repair`.",
    ),
)
