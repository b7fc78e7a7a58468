// Package kafka puts Apache Kafka between those who accept readings and the
// pipeline that stores them: a producer, which is an ingest.Sink, and a member of
// a consumer group, which feeds the pipeline.
//
// # One reading, one record
//
// A record's value is one reading as a line of JSON, so that any other tool can
// write and read the topic. The key of its row is where it stands: Key.Origin
// names topic and partition (see Origin), and Key.Index is the offset. A record
// that is consumed twice is therefore written twice under one key.
//
// # All of a request or nothing
//
// What a broker appends whole or not at all is a record batch. So all records of
// one Accept go to one partition, in one batch: a lane takes the requests that
// wait, as many as fit, puts their records into a batch, and sends that in one
// produce request. It does so by itself. A client that is given records one by one
// decides by itself where a batch ends, also where it was told to wait for the
// word; of the client here are the connections to the brokers. The next round of
// that lane begins when the batch is acknowledged by all replicas in sync, which
// is what lets batches grow under load without a linger.
//
// A batch that is not acknowledged is sent again, until DeliveryTimeout: to the
// leader that the partition has by then, with the same producer ID and sequence
// number. By these the brokers know it again, so that what was written before is
// not written twice.
//
// Transactions would give the same at the price of two more round trips a round,
// markers in the log, and consumers that wait for them; and the end of a
// transaction can be in doubt like the acknowledgement of a batch. What they add,
// several batches at once, is not needed here.
//
// After an error of Accept the readings are not in the topic and will not be,
// with one exception: an error that wraps ErrInDoubt, when ctx or the process or
// DeliveryTimeout ended after the batch had been sent, and before a broker had
// said what became of it. Then all of them are in the topic, or will be, or none.
// Whoever repeats such a request may store its readings twice, under two keys,
// which no store can tell from two measurements.
//
// # Offsets
//
// Where other programs write in transactions, what they take back is not stored,
// and what they have not decided on yet holds up all after it in the partition.
//
// An offset is committed only when its reading and all before it in the partition
// are in the store, or in the dead-letter topic. A crash repeats what was not
// committed and loses nothing, provided that the store keeps what it has stored; as
// keys are the same, stores that enforce keys do not change. Before a partition is
// given away, what it has in flight is flushed, waited for, and committed. A
// partition that is lost without notice is not committed: its next owner repeats.
//
// A topic that is deleted and made anew is another topic: its records have other
// keys, and it is consumed from its start. Where a log loses records that were
// acknowledged, and gives their offsets to others, these have the same keys, and a
// store that enforces keys takes the second for a repetition of the first: brokers
// are to be set so that they lose nothing (min.insync.replicas, and no unclean
// leader election).
//
// # Dead letters
//
// A record that is no reading, is too large, or is refused by the store for good
// goes to the dead-letter topic as it is, with headers that say why and whence;
// its offset is done when the brokers have acknowledged that. Where they do not,
// it is tried again without end, and the partition stops before memory is full: at a
// million records from the oldest that is not done, or 64 MiB in those that are not.
package kafka
