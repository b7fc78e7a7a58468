package kafka

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/go-databuffer/databuffer/examples/funnel/pipeline"
	"github.com/go-databuffer/databuffer/examples/funnel/store"
)

// childEnv is set in processes that the tests start from their own binary: a
// service that takes values over HTTP, on to Kafka, and from there into a file.
const childEnv = "FUNNEL_KAFKA_CHILD"

type childConfig struct {
	Kafka   Config
	Session time.Duration
	File    string
}

// child serves until its input ends, and then shuts down in order.
func child() {
	must := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, "child:", err)
			os.Exit(1)
		}
	}
	var cfg childConfig
	must(json.Unmarshal([]byte(os.Getenv(childEnv)), &cfg))
	file, err := openFile(cfg.File)
	must(err)
	p, err := pipeline.New(pipeline.Config{Store: file, MaxSize: 300, FlushInterval: 20 * time.Millisecond})
	must(err)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cfg.Kafka.Pipeline = p
	cfg.Kafka.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	cfg.Kafka.Options = append(quick(), kgo.SessionTimeout(cfg.Session))
	k, err := New(ctx, cfg.Kafka)
	must(err)

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	server := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from, err := strconv.Atoi(r.FormValue("from"))
		if err == nil {
			err = k.Accept(r.Context(), numbered(from, perRequest), false)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	})}
	go func() { _ = server.Serve(listener) }()
	fmt.Println(listener.Addr())

	_, _ = io.Copy(io.Discard, os.Stdin)
	ctx, cancel = context.WithTimeout(context.Background(), patience)
	defer cancel()
	must(server.Shutdown(ctx))
	must(k.Shutdown(ctx))
	must(p.Shutdown(ctx))
}

const perRequest = 50

// fileStore appends a line for each row: its key and its value.
type fileStore struct {
	store.Store // nil: only Write is asked for
	mu          sync.Mutex
	file        *os.File
}

// openFile opens the file, and cuts off a line that a kill has left half written.
func openFile(path string) (*fileStore, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	written, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return &fileStore{file: file}, file.Truncate(int64(bytes.LastIndexByte(written, '\n') + 1))
}

func (f *fileStore) Write(_ context.Context, rows []store.Row) error {
	var lines []byte
	for _, row := range rows {
		lines = fmt.Appendf(lines, "%x/%d %v\n", row.Key.Origin, row.Key.Index, row.Value)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err := f.file.Write(lines)
	return err
}

// written reads what children have written: the values by key, and how many lines
// repeat one.
func written(t *testing.T, path string) (values map[string]string, repeats int) {
	t.Helper()
	file, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil, 0
	}
	require.NoError(t, err)
	defer file.Close()
	values = make(map[string]string)
	for lines := bufio.NewReader(file); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			return values, repeats // a line without an end is being written
		}
		key, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		require.True(t, ok, "%q", line)
		if before, there := values[key]; there {
			repeats++
			require.Equal(t, before, value, "one key, one value")
		}
		values[key] = value
	}
}

// process is a child, and where it listens.
type process struct {
	*exec.Cmd
	input   io.Closer
	address string
}

func startChild(t *testing.T, cfg childConfig) *process {
	t.Helper()
	text, err := json.Marshal(cfg)
	require.NoError(t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	cmd.Stderr = t.Output()
	input, err := cmd.StdinPipe()
	require.NoError(t, err)
	output, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	address, err := bufio.NewReader(output).ReadString('\n')
	require.NoError(t, err, "the child did not start")
	return &process{Cmd: cmd, input: input, address: strings.TrimSpace(address)}
}

// TestAKilledServiceLosesNothing kills the service again and again while users
// send to it. What was answered with 202 is in the store in the end, whole, and
// under one key each; of what had no answer, each request is there whole or not
// at all.
func TestAKilledServiceLosesNothing(t *testing.T) {
	t.Parallel()
	t.Run("brokers elsewhere", func(t *testing.T) {
		kills, session := 3, time.Second
		addresses, cluster := brokers(t, kfake.GroupMinSessionTimeout(session))
		if cluster == nil {
			kills, session = 2, 6*time.Second // the shortest that brokers allow as they come
		}
		killed(t, kills, session, Config{Brokers: addresses})
	})
	t.Run("the stand-in killed with it", func(t *testing.T) {
		killed(t, 2, embeddedSession/2, Config{Embedded: true, DataDir: t.TempDir()})
	})
}

func killed(t *testing.T, kills int, session time.Duration, kafka Config) {
	kafka.Partitions, kafka.CommitInterval = 4, 50*time.Millisecond
	cfg := childConfig{Kafka: topics(kafka), Session: session, File: t.TempDir() + "/rows"}
	var (
		address  atomic.Value
		next     atomic.Int64
		mu       sync.Mutex
		sent     = make(map[int]bool) // by first value: whether it was answered
		stop     = make(chan struct{})
		users    sync.WaitGroup
		answered atomic.Int64
		client   = http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	)
	process := startChild(t, cfg)
	address.Store(process.address)
	for range 8 {
		users.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond):
				}
				from := int(next.Add(perRequest)) - perRequest
				ok := false
				response, err := client.Post(fmt.Sprintf("http://%s/?from=%d", address.Load(), from), "", nil)
				if err == nil {
					ok = response.StatusCode == http.StatusAccepted
					_ = response.Body.Close()
				}
				mu.Lock()
				sent[from] = ok
				mu.Unlock()
				if ok {
					answered.Add(1)
				} else {
					time.Sleep(20 * time.Millisecond) // until there is somebody again
				}
			}
		})
	}
	for range kills {
		before := answered.Load()
		eventually(t, func() bool { return answered.Load() > before+50 }, "users are answered")
		lines, _ := written(t, cfg.File)
		eventually(t, func() bool { now, _ := written(t, cfg.File); return len(now) > len(lines) }, "readings are stored")
		require.NoError(t, process.Process.Kill())
		_ = process.Wait()
		process = startChild(t, cfg)
		address.Store(process.address)
	}
	close(stop)
	users.Wait()
	client.CloseIdleConnections()

	// times counts under how many keys each value is stored.
	times := func() map[string]int {
		values, _ := written(t, cfg.File)
		times := make(map[string]int, len(values))
		for _, value := range values {
			times[value]++
		}
		return times
	}
	eventually(t, func() bool {
		there := times()
		for from, ok := range sent {
			if ok && there[strconv.Itoa(from+perRequest-1)] == 0 {
				return false
			}
		}
		return true
	}, "all readings that were acknowledged are stored")
	require.NoError(t, process.input.Close())
	require.NoError(t, process.Wait(), "in order, at last")

	values, repeats := written(t, cfg.File)
	stored := times()
	acknowledged := int(answered.Load()) * perRequest
	unanswered := 0
	for from, ok := range sent {
		there := 0
		for i := range perRequest {
			n := stored[strconv.Itoa(from+i)]
			require.LessOrEqual(t, n, 1, "value %d has two keys", from+i)
			there += n
		}
		if ok {
			require.Equal(t, perRequest, there, "the request of %d on was acknowledged", from)
			continue
		}
		require.Contains(t, []int{0, perRequest}, there, "whole or not at all")
		unanswered += there
	}
	assert.Equal(t, acknowledged+unanswered, len(values))
	t.Logf("%d kills: %d readings acknowledged and stored, %d more without an answer, %d repetitions", kills, acknowledged, unanswered, repeats)
}
