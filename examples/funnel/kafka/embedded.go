package kafka

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// embeddedSession is how long the stand-in waits for the member of the group that
// was killed with it, before it gives the partitions to the one started next.
const embeddedSession = 2 * time.Second

// startEmbedded starts the stand-in: one broker in this process that speaks
// Kafka's protocol, with everything in a folder and synced to disk before it is
// acknowledged, so that it survives a crash. It keeps records for ever unless the
// topic is told otherwise, knows no replicas, and nobody runs it in production.
func startEmbedded(cfg Config) (*kfake.Cluster, error) {
	cluster, err := kfake.NewCluster(
		kfake.NumBrokers(1),
		kfake.Ports(cfg.EmbeddedPort),
		kfake.DataDir(cfg.DataDir),
		kfake.SyncWrites(),
		kfake.GroupMinSessionTimeout(embeddedSession/2),
	)
	if err != nil {
		return nil, fmt.Errorf("kafka: starting the embedded stand-in on %q: %w", cfg.DataDir, err)
	}
	cfg.Logger.Warn("kafka: the broker is a stand-in for tests, inside this process: not Apache Kafka, and not for production",
		slog.String("address", cluster.ListenAddrs()[0]), slog.String("folder", cfg.DataDir))
	return cluster, nil
}
