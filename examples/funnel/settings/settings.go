package settings

import (
	"flag"
	"time"

	"github.com/go-databuffer/databuffer/examples/funnel/ingest"
	"github.com/go-databuffer/databuffer/examples/funnel/pipeline"
	"github.com/go-databuffer/databuffer/examples/funnel/query"
)

// Prefix is that of funnel's environment variables.
const Prefix = "FUNNEL_"

// The stores that -store names.
const (
	SQLite   = "sqlite"
	Postgres = "postgres"
	Mongo    = "mongo"
)

// Embedded is what -kafka names for the stand-in in this process.
const Embedded = "embedded"

// Settings are all that can be set of the service.
type Settings struct {
	Config string

	Listen, Token, TokenFile, Pprof string

	Store, Data, SQLiteSync          string // Parse fills in SQLiteSync where it is empty
	DataGiven                        bool   // Data is not the default
	Postgres                         string
	Mongo, MongoDatabase, MongoPlace string
	MongoPlain                       bool

	Kafka, KafkaTopic, KafkaGroup, KafkaDead string
	KafkaPartitions                          int

	Partitions, Batch, InFlight           int
	FlushInterval, WriteTimeout, Patience time.Duration

	MaxBody, MaxDecoded                            Bytes
	MaxReadings, MaxLine, MaxRequests, MaxBuckets  int
	ReadTimeout, IdleTimeout, StoredAfter          time.Duration
	QueryTimeout, StopTimeout, RetryAfter, Unready time.Duration

	Demo               bool
	LogLevel, LogStyle string
}

// Flags is the list: each setting's flag, its default and what it does, with
// where it goes in s.
func Flags(s *Settings) *flag.FlagSet {
	f := flag.NewFlagSet("funnel", flag.ContinueOnError)
	f.StringVar(&s.Config, configName, "", "read settings from this `file`, lines of `name = value`; flags and variables come before it")

	f.StringVar(&s.Listen, "listen", "127.0.0.1:8080", "serve HTTP at this `address`; beyond loopback only with a token")
	f.StringVar(&s.Token, "token", "", "ask for this token on all but the page itself, /healthz and /readyz (`Authorization: Bearer …`); 16 characters at least")
	f.StringVar(&s.TokenFile, "token-file", "", "read the token from this `file`, without the space around it")
	f.StringVar(&s.Pprof, "pprof", "", "serve Go's profiles at this `address`, on loopback only; empty: nowhere")

	f.StringVar(&s.Store, "store", SQLite, "keep readings in `sqlite`, `postgres` or `mongo`")
	f.StringVar(&s.Data, "data", "funnel-data", "the `folder` of SQLite's file and of the embedded Kafka; -demo alone uses a new temporary one")
	f.StringVar(&s.SQLiteSync, "sqlite-sync", "", "`NORMAL`: a crash of the machine can lose the newest batches; `FULL`: it cannot, and writes are slower; empty: FULL with the brokers of -kafka, as what is stored is not consumed again, else NORMAL")
	f.StringVar(&s.Postgres, "postgres", "", "the `DSN` of PostgreSQL, for -store postgres")
	f.StringVar(&s.Mongo, "mongo", "", "the `URI` of MongoDB, for -store mongo")
	f.StringVar(&s.MongoDatabase, "mongo-database", "funnel", "the database in MongoDB")
	f.StringVar(&s.MongoPlace, "mongo-collection", "readings", "the collection in MongoDB")
	f.BoolVar(&s.MongoPlain, "mongo-plain", false, "use an ordinary collection where the server has no time-series collections")

	f.StringVar(&s.Kafka, "kafka", "", "send readings through Kafka: the `brokers`, with commas between them, or `embedded` for a stand-in to try it out")
	f.StringVar(&s.KafkaTopic, "kafka-topic", "readings", "the topic of the readings")
	f.StringVar(&s.KafkaGroup, "kafka-group", "funnel", "the consumer group that all funnels of one store share")
	f.StringVar(&s.KafkaDead, "kafka-dead-letter-topic", "", "the topic of what is no reading or is refused by the store; empty: the topic and `.dead`")
	f.IntVar(&s.KafkaPartitions, "kafka-partitions", 4, "the partitions of the topic where it is not there yet and therefore created")

	f.IntVar(&s.Partitions, "partitions", pipeline.DefaultPartitions, "the partitions of the buffer: batches that are filled side by side")
	f.IntVar(&s.Batch, "batch", pipeline.DefaultMaxSize, "the readings of a batch")
	f.IntVar(&s.InFlight, "in-flight", 1, "the batches of one partition that are written at once")
	f.DurationVar(&s.FlushInterval, "flush-interval", pipeline.DefaultFlushInterval, "how long a reading waits at most for its batch to fill")
	f.DurationVar(&s.WriteTimeout, "write-timeout", pipeline.DefaultWriteTimeout, "how long one write into the store may take; then it is tried again")
	f.DurationVar(&s.Patience, "patience", 2*time.Second, "how long a request waits for room, with -kafka to be sent, before it is refused with 429")

	s.MaxBody, s.MaxDecoded = ingest.DefaultMaxBody, ingest.DefaultMaxDecoded
	f.Var(&s.MaxBody, "max-body", "the size of a request as it is sent")
	f.Var(&s.MaxDecoded, "max-decoded", "the size of a request after decompression")
	f.IntVar(&s.MaxReadings, "max-readings", ingest.DefaultMaxReadings, "the readings of a request")
	f.IntVar(&s.MaxLine, "max-line", ingest.DefaultMaxLine, "the bytes of a line of NDJSON")
	f.IntVar(&s.MaxRequests, "max-requests", ingest.DefaultMaxRequests, "the requests with readings at once; more are refused with 429")
	f.IntVar(&s.MaxBuckets, "max-buckets", query.DefaultMaxBuckets, "the buckets of one answer")

	f.DurationVar(&s.ReadTimeout, "read-timeout", 30*time.Second, "how long a request may take to arrive")
	f.DurationVar(&s.IdleTimeout, "idle-timeout", 2*time.Minute, "how long a connection may do nothing between two requests")
	f.DurationVar(&s.StoredAfter, "stored-timeout", ingest.DefaultStoredAfter, "how long ack=stored waits for the store; then 504")
	f.DurationVar(&s.QueryTimeout, "query-timeout", query.DefaultTimeout, "how long the store may take to answer a query; then 504")
	f.DurationVar(&s.RetryAfter, "retry-after", ingest.DefaultRetryAfter, "what is said with 429, in whole seconds")
	f.DurationVar(&s.StopTimeout, "stop-timeout", 30*time.Second, "how long stopping may take; what is left then is said in numbers")
	f.DurationVar(&s.Unready, "unready-delay", 0, "how long /readyz says no before HTTP stops, for load balancers to see it; part of -stop-timeout")

	f.BoolVar(&s.Demo, "demo", false, "send itself the readings of some sensors")
	f.StringVar(&s.LogLevel, "log-level", "info", "`debug`, `info`, `warn` or `error`")
	f.StringVar(&s.LogStyle, "log-format", "text", "`text` or `json`")
	return f
}
