package kafka

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// clientOptions are those that all clients have.
func clientOptions(cfg Config, brokers []string) []kgo.Opt {
	return append([]kgo.Opt{
		kgo.SeedBrokers(brokers...),
		kgo.ClientID("funnel"),
		kgo.WithLogger(clientLog{cfg.Logger}),
		kgo.ProducerBatchCompression(kgo.SnappyCompression(), kgo.NoCompression()),
		// The usual 5 s is how long a topic that was just created, or a leader that
		// has just moved, would go unnoticed.
		kgo.MetadataMinAge(250 * time.Millisecond),
	}, cfg.Options...)
}

// clientLog hands on what the client library says, from warnings on.
type clientLog struct{ logger *slog.Logger }

// Level implements kgo.Logger.
func (l clientLog) Level() kgo.LogLevel {
	if l.logger.Enabled(context.Background(), slog.LevelWarn) {
		return kgo.LogLevelWarn
	}
	return kgo.LogLevelError
}

// Log implements kgo.Logger.
func (l clientLog) Log(level kgo.LogLevel, message string, pairs ...any) {
	severity := slog.LevelWarn
	if level == kgo.LogLevelError {
		severity = slog.LevelError
	}
	l.logger.Log(context.Background(), severity, "kafka: client: "+message, pairs...)
}

// limited writes at most one line a second, for what may happen all the time. The
// zero value is ready to use.
type limited struct {
	mu   sync.Mutex
	next time.Time
	held int // lines that were not written
}

func (l *limited) log(logger *slog.Logger, level slog.Level, message string, attrs ...slog.Attr) {
	l.mu.Lock()
	now := time.Now()
	if now.Before(l.next) {
		l.held++
		l.mu.Unlock()
		return
	}
	held := l.held
	l.next, l.held = now.Add(time.Second), 0
	l.mu.Unlock()
	if held > 0 {
		attrs = append(attrs, slog.Int("more", held))
	}
	logger.LogAttrs(context.Background(), level, message, attrs...)
}
