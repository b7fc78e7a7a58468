package recipes

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/go-databuffer/databuffer/aggregate"
	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

// unencodable is the name of an event that cannot be encoded.
const unencodable = "unencodable"

var errUnencodable = errors.New("this one cannot be encoded")

// MarshalJSON makes an event of the tests one of those that fail, as one with a
// NaN does.
func (e Event) MarshalJSON() ([]byte, error) {
	if e.Name == unencodable {
		return nil, errUnencodable
	}
	type plain Event
	return json.Marshal(plain(e))
}

// filled is a buffer that was given n events and shut down.
func filled(t *testing.T, cfg buffer.Config[Event], n int) buffer.Info {
	t.Helper()
	cfg.Name, cfg.Logger = "recipes", slog.New(slog.DiscardHandler)
	events, err := buffer.New(cfg)
	require.NoError(t, err)
	for i := range n {
		require.NoError(t, events.Insert(t.Context(), Event{ID: int64(i), Name: "event"}))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	require.NoError(t, events.Shutdown(ctx))
	return events.Info()
}

func TestCopyInto(t *testing.T) {
	dsn := os.Getenv("POSTGRES_DSN")
	if dsn == "" {
		t.Skip("POSTGRES_DSN is not set: there is no PostgreSQL to try it on")
	}
	config, err := pgxpool.ParseConfig(dsn)
	require.NoError(t, err)
	config.MaxConns = 1 // so that the table may be temporary
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	defer pool.Close()
	_, err = pool.Exec(t.Context(), "CREATE TEMPORARY TABLE events (id bigint CHECK (id <> 13), name text)")
	require.NoError(t, err)

	var refused []Event
	info := filled(t, buffer.Config[Event]{
		Flusher: CopyInto(pool),
		Retry:   flusher.Retry{Bisect: true},
		DeadLetter: flusher.Items(func(_ context.Context, events []Event) error {
			refused = append(refused, events...)
			return nil
		}),
	}, 100)
	assert.Equal(t, 99, info.Total.Delivered)
	assert.Equal(t, []Event{{13, "event"}}, refused)
	var stored int
	require.NoError(t, pool.QueryRow(t.Context(), "SELECT count(*) FROM events").Scan(&stored))
	assert.Equal(t, 99, stored)
}

// answered is what PostRows asked a server that answers with the status, and what
// it returned.
func answered(t *testing.T, events []Event, status int, header ...string) (asked *http.Request, body string, err error) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r
		content, _ := io.ReadAll(r.Body)
		body = string(content)
		if len(header) > 0 {
			w.Header().Set(header[0], header[1])
		}
		w.WriteHeader(status)
	}))
	defer server.Close()
	err = PostRows(server.Client(), server.URL)(t.Context(), flusher.Batch[Event]{Items: events, ID: flusher.ID{1}})
	return asked, body, err
}

func TestPostRows(t *testing.T) {
	events := []Event{{1, "a"}, {2, "b"}}
	asked, body, err := answered(t, events, http.StatusOK)
	require.NoError(t, err)
	assert.Equal(t, "{\"id\":1,\"name\":\"a\"}\n{\"id\":2,\"name\":\"b\"}\n", body)
	assert.Equal(t, "INSERT INTO events FORMAT JSONEachRow", asked.URL.Query().Get("query"))
	assert.Equal(t, flusher.ID{1}.String(), asked.URL.Query().Get("insert_deduplication_token"))

	for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		_, _, err = answered(t, events, status, "Retry-After", "7")
		assert.Equal(t, flusher.Verdict{Whole: true, After: 7 * time.Second}, flusher.Inspect(err, 2), "%d", status)
	}
	for status, final := range map[int]bool{
		http.StatusBadRequest: true, http.StatusRequestEntityTooLarge: true, http.StatusUnprocessableEntity: true,
		// Somebody mends these, or they pass.
		http.StatusUnauthorized: false, http.StatusForbidden: false, http.StatusNotFound: false, http.StatusRequestTimeout: false,
		http.StatusInternalServerError: false, http.StatusBadGateway: false,
	} {
		_, _, err = answered(t, events, status)
		assert.Equal(t, flusher.Verdict{Whole: true, Final: final}, flusher.Inspect(err, 2), "%d", status)
	}
}

// One event that cannot be encoded is given up by itself.
func TestPostRowsWithoutOne(t *testing.T) {
	events := []Event{{1, "a"}, {2, unencodable}, {3, "c"}}
	_, body, err := answered(t, events, http.StatusOK)
	assert.Equal(t, "{\"id\":1,\"name\":\"a\"}\n{\"id\":3,\"name\":\"c\"}\n", body)
	require.ErrorIs(t, err, errUnencodable)
	assert.Equal(t, flusher.Verdict{Permanent: []int{1}}, flusher.Inspect(err, 3))

	_, _, err = answered(t, events, http.StatusInternalServerError)
	assert.Equal(t, flusher.Verdict{Whole: true}, flusher.Inspect(err, 3), "the next attempt sends the same rows")

	asked, _, err := answered(t, events[1:2], http.StatusOK)
	assert.Nil(t, asked, "there is nothing to send")
	assert.Equal(t, flusher.Verdict{Permanent: []int{0}}, flusher.Inspect(err, 1))
}

func TestProduce(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "events"))
	require.NoError(t, err)
	defer cluster.Close()
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.DefaultProduceTopic("events"),
		kgo.ConsumeTopics("events"), kgo.ProducerBatchMaxBytes(4096))
	require.NoError(t, err)
	defer client.Close()

	info := filled(t, buffer.Config[Event]{Flusher: Produce(client), MaxSize: 10}, 25)
	assert.Equal(t, 25, info.Total.Delivered)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var ids []int64
	for len(ids) < 25 {
		fetches := client.PollFetches(ctx)
		require.NoError(t, fetches.Err())
		fetches.EachRecord(func(r *kgo.Record) {
			var event Event
			assert.NoError(t, json.Unmarshal(r.Value, &event))
			ids = append(ids, event.ID)
		})
	}
	assert.Len(t, ids, 25)

	// One is larger than the client may send: only that one is given up.
	err = Produce(client)(ctx, flusher.Batch[Event]{Items: []Event{{1, "a"}, {2, strings.Repeat("b", 8192)}, {3, "c"}}})
	assert.Equal(t, flusher.Verdict{Permanent: []int{1}}, flusher.Inspect(err, 3))

	// One cannot be encoded, likewise.
	err = Produce(client)(ctx, flusher.Batch[Event]{Items: []Event{{1, "a"}, {2, "b"}, {3, unencodable}}})
	assert.Equal(t, flusher.Verdict{Permanent: []int{2}}, flusher.Inspect(err, 3))
}

func TestObjects(t *testing.T) {
	objects := make(map[string]string)
	failed := false
	info := filled(t, buffer.Config[Event]{
		Flusher: Objects(func(_ context.Context, name string, content []byte) error {
			objects[name] = string(content)
			if !failed {
				failed = true
				return errors.New("the answer was lost")
			}
			return nil
		}),
		MaxSize: 2,
		Retry:   flusher.Retry{MinBackoff: time.Millisecond},
	}, 4)
	assert.Equal(t, 4, info.Total.Delivered)
	require.Len(t, objects, 2, "the second attempt has the name of the first")
	var all string
	for name, content := range objects {
		assert.Regexp(t, `^events/\d{4}/\d\d/\d\d/\d\d/[0-9a-f]{32}\.ndjson$`, name)
		all += content
	}
	assert.Equal(t, 4, strings.Count(all, "\n"))
}

// One event that cannot be encoded is given up by itself.
func TestObjectsWithoutOne(t *testing.T) {
	var objects []string
	var down error
	flush := Objects(func(_ context.Context, _ string, content []byte) error {
		objects = append(objects, string(content))
		return down
	})
	events := []Event{{1, "a"}, {2, unencodable}, {3, "c"}}
	err := flush(t.Context(), flusher.Batch[Event]{Items: events})
	require.ErrorIs(t, err, errUnencodable)
	assert.Equal(t, flusher.Verdict{Permanent: []int{1}}, flusher.Inspect(err, 3))
	assert.Equal(t, []string{"{\"id\":1,\"name\":\"a\"}\n{\"id\":3,\"name\":\"c\"}\n"}, objects)

	err = flush(t.Context(), flusher.Batch[Event]{Items: events[1:2]})
	assert.Equal(t, flusher.Verdict{Permanent: []int{0}}, flusher.Inspect(err, 1))
	assert.Len(t, objects, 1, "there is nothing to put")

	down = errors.New("the store is down")
	assert.Equal(t, flusher.Verdict{Whole: true}, flusher.Inspect(flush(t.Context(), flusher.Batch[Event]{Items: events}), 3))
}

func TestMetrics(t *testing.T) {
	meters, handler, err := Metrics()
	require.NoError(t, err)
	filled(t, buffer.Config[Event]{
		Flusher:       flusher.Items(func(context.Context, []Event) error { return nil }),
		MeterProvider: meters,
	}, 5)
	page := httptest.NewRecorder()
	handler.ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	for _, name := range []string{
		"databuffer_item_accepted_total", "databuffer_item_processed_total", "databuffer_queue_size",
		"databuffer_queue_capacity", "databuffer_item_oldest_age_seconds", "databuffer_flush_duration_seconds_bucket",
		"databuffer_attempt_duration_seconds_count",
	} {
		assert.Contains(t, page.Body.String(), name+"{")
		assert.True(t, strings.Contains(string(readme), name), "the README does not have %s", name)
	}
}

func TestHits(t *testing.T) {
	total := make(map[string]int)
	hits, err := Hits(func(_ context.Context, entries []aggregate.Entry[string, int]) error {
		for _, e := range entries {
			total[e.Key] += e.Value
		}
		return nil
	})
	require.NoError(t, err)
	for range 3 {
		require.NoError(t, hits.Add(t.Context(), "/login", 1))
	}
	require.NoError(t, hits.Add(t.Context(), "/", 1))
	require.NoError(t, hits.Shutdown(t.Context()))
	assert.Equal(t, map[string]int{"/login": 3, "/": 1}, total)
}

func TestLogTo(t *testing.T) {
	file, err := os.Create(t.TempDir() + "/log")
	require.NoError(t, err)
	defer file.Close()
	logger, w, err := LogTo(file)
	require.NoError(t, err)
	logger.Info("hello")
	require.NoError(t, w.Close())
	content, err := os.ReadFile(file.Name())
	require.NoError(t, err)
	assert.Contains(t, string(content), `"msg":"hello"`)
}

// A line is in the file two seconds later, without a Close.
func TestLogToWritesSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file, err := os.Create(t.TempDir() + "/log")
		require.NoError(t, err)
		defer file.Close()
		logger, w, err := LogTo(file)
		require.NoError(t, err)
		logger.Info("hello")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		content, err := os.ReadFile(file.Name())
		require.NoError(t, err)
		assert.Contains(t, string(content), `"msg":"hello"`)
		require.NoError(t, w.Close())
	})
}

// TestBeforeAndAfter shows that the comments in Before are true.
func TestBeforeAndAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		in := make(chan Event, 10)
		stored, calls := 0, 0
		go Before(ctx, in, func(events []Event) error {
			calls++
			stored += len(events)
			return nil
		})
		time.Sleep(2500 * time.Millisecond)
		synctest.Wait()
		assert.Equal(t, 2, calls, "with no event at all")
		cancel()
		synctest.Wait()
		for range 10 {
			in <- Event{}
		}
		synctest.Wait()
		assert.Zero(t, stored)
	})
	synctest.Test(t, func(t *testing.T) {
		stored, calls := 0, 0
		events, err := After(func(_ context.Context, events []Event) error {
			calls++
			stored += len(events)
			return nil
		})
		require.NoError(t, err)
		time.Sleep(2500 * time.Millisecond)
		for range 10 {
			require.NoError(t, events.Insert(t.Context(), Event{}))
		}
		require.NoError(t, events.Shutdown(t.Context()))
		assert.Equal(t, 1, calls)
		assert.Equal(t, 10, stored)
	})
}
