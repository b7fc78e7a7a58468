package settings

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"
)

const minToken = 16

// Parse reads all settings and checks them. The error joins one for each that is
// bad, with its value and what is allowed; it is flag.ErrHelp for -help.
func Parse(args []string, env Lookup) (Settings, error) {
	var s Settings
	set := Flags(&s)
	if err := Read(set, Prefix, args, env); err != nil {
		return s, err
	}
	set.Visit(func(f *flag.Flag) { s.DataGiven = s.DataGiven || f.Name == "data" })
	if s.SQLiteSync == "" {
		s.SQLiteSync = s.usualSync()
	}
	if err := ReadToken(&s.Token, s.TokenFile); err != nil {
		return s, err
	}
	return s, s.check()
}

// usualSync is that of SQLite where none is set. Offsets are committed when a batch
// is stored: what a crash of the machine took back then would not be consumed again.
func (s Settings) usualSync() string {
	if len(s.Brokers()) > 0 {
		return "FULL"
	}
	return "NORMAL"
}

// ReadToken reads the file of -token-file, where one is named, into the token,
// which must not be set as well.
func ReadToken(token *string, file string) error {
	if file == "" {
		return nil
	}
	if *token != "" {
		return errors.New("-token and -token-file: allowed is one of them")
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("-token-file: %w", err)
	}
	if *token = strings.TrimSpace(string(content)); *token == "" {
		return fmt.Errorf("-token-file: there is no token in %s", file)
	}
	return nil
}

func (s Settings) check() error {
	var bad []error
	reject := func(wrong bool, format string, args ...any) {
		if wrong {
			bad = append(bad, fmt.Errorf(format, args...))
		}
	}
	bad = append(bad, address("-listen", s.Listen))
	reject(s.Token != "" && len(s.Token) < minToken, "the token has %d characters: allowed are %d and more", len(s.Token), minToken)
	reject(strings.ContainsAny(s.Token, " \t\r\n"), "the token has space in it")
	reject(s.Token == "" && !Loopback(s.Listen), "-listen is %q, which others can reach: that needs a -token, or an address like 127.0.0.1:8080", s.Listen)
	if s.Pprof != "" {
		bad = append(bad, address("-pprof", s.Pprof))
		reject(!Loopback(s.Pprof), "-pprof is %q: allowed is an address on loopback, like 127.0.0.1:6060", s.Pprof)
	}
	switch s.Store {
	case SQLite:
		reject(s.Data == "", `-data is "": SQLite needs a folder`)
	case Postgres:
		reject(s.Postgres == "", "-store is postgres: that needs -postgres, its DSN")
	case Mongo:
		reject(s.Mongo == "", "-store is mongo: that needs -mongo, its URI")
	default:
		reject(true, "-store is %q: allowed are sqlite, postgres and mongo", s.Store)
	}
	reject(s.SQLiteSync != "NORMAL" && s.SQLiteSync != "FULL", "-sqlite-sync is %q: allowed are NORMAL and FULL", s.SQLiteSync)

	reject(s.KafkaTopic == "" || s.KafkaGroup == "", "-kafka-topic is %q and -kafka-group %q: both need a name", s.KafkaTopic, s.KafkaGroup)
	reject(s.Kafka == Embedded && s.Data == "", `-data is "": the embedded Kafka needs a folder`)
	for name, value := range map[string]int{
		"-kafka-partitions": s.KafkaPartitions, "-partitions": s.Partitions, "-batch": s.Batch, "-in-flight": s.InFlight,
		"-max-readings": s.MaxReadings, "-max-line": s.MaxLine, "-max-requests": s.MaxRequests, "-max-buckets": s.MaxBuckets,
		"-max-body": int(s.MaxBody), "-max-decoded": int(s.MaxDecoded),
	} {
		reject(value < 1, "%s is %d: allowed are 1 and more", name, value)
	}
	for name, value := range map[string]time.Duration{
		"-flush-interval": s.FlushInterval, "-write-timeout": s.WriteTimeout, "-patience": s.Patience,
		"-read-timeout": s.ReadTimeout, "-idle-timeout": s.IdleTimeout, "-stored-timeout": s.StoredAfter,
		"-query-timeout": s.QueryTimeout, "-retry-after": s.RetryAfter, "-stop-timeout": s.StopTimeout,
	} {
		reject(value <= 0, "%s is %v: allowed is more than 0", name, value)
	}
	reject(s.Unready < 0 || s.Unready >= s.StopTimeout, "-unready-delay is %v: allowed are 0 and more, below -stop-timeout, which is %v", s.Unready, s.StopTimeout)

	_, err := s.Level()
	reject(err != nil, "-log-level is %q: allowed are debug, info, warn and error", s.LogLevel)
	reject(s.LogStyle != "text" && s.LogStyle != "json", "-log-format is %q: allowed are text and json", s.LogStyle)
	return errors.Join(bad...)
}

// Level is -log-level.
func (s Settings) Level() (slog.Level, error) {
	for name, level := range map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError} {
		if s.LogLevel == name {
			return level, nil
		}
	}
	return 0, errors.New("no such level")
}

// Brokers are those that -kafka names; none for the stand-in.
func (s Settings) Brokers() []string {
	if s.Kafka == "" || s.Kafka == Embedded {
		return nil
	}
	var brokers []string
	for broker := range strings.SplitSeq(s.Kafka, ",") {
		if broker = strings.TrimSpace(broker); broker != "" {
			brokers = append(brokers, broker)
		}
	}
	return brokers
}

func address(name, value string) error {
	if _, _, err := net.SplitHostPort(value); err != nil {
		return fmt.Errorf("%s is %q: allowed is host:port, like 127.0.0.1:8080", name, value)
	}
	return nil
}

// Loopback says that only this machine can reach an address. A name other than
// localhost may be anything, and no host at all is every address of the machine.
func Loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
