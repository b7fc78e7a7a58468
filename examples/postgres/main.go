// Command postgres inserts a million rows into PostgreSQL through a buffer, which
// hands them to COPY in batches, and beside it rows one by one, as many as fit
// into the same kind of loop in a few seconds. It prints both rates.
//
//	POSTGRES_DSN=postgres://user:password@localhost:5432/database go run ./examples/postgres
//
// Ctrl-C ends it, and its table is dropped all the same, which a second one
// leaves off. The exit code is 1 when something failed and 2 for wrong settings.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

const usage = `POSTGRES_DSN is not set: it says which PostgreSQL to use, as in
  POSTGRES_DSN=postgres://postgres:secret@localhost:5432/postgres go run ./examples/postgres
With Docker, this starts one:
  docker run --rm -e POSTGRES_PASSWORD=secret -p 5432:5432 postgres:17
On Debian:
  apt-get install postgresql && service postgresql start &&
  su postgres -c "psql -c \"ALTER USER postgres PASSWORD 'secret'\""`

func main() {
	cfg := config{dsn: os.Getenv("POSTGRES_DSN")}
	flag.IntVar(&cfg.rows, "rows", 1_000_000, "rows to insert through the buffer")
	flag.IntVar(&cfg.producers, "producers", 8, "goroutines that insert, in both parts")
	flag.DurationVar(&cfg.oneByOne, "one-by-one", 5*time.Second, "how long to insert rows one by one")
	flag.Parse()
	if cfg.dsn == "" {
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(2)
	}
	if err := cfg.check(flag.Args()); err != nil {
		fmt.Fprintf(os.Stderr, "postgres: %v\n", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // a second Ctrl-C has its usual effect
	if err := run(ctx, cfg, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

type config struct {
	dsn             string
	rows, producers int
	oneByOne        time.Duration
}

// What the flags allow.
const (
	maxProducers = 10_000
	minOneByOne  = 10 * time.Millisecond // for at least some rows, or there is no rate to compare with
)

// check returns an error that joins a message for each bad setting.
func (cfg config) check(rest []string) error {
	var bad []error
	if len(rest) > 0 {
		bad = append(bad, fmt.Errorf("%q: there are no arguments beside the flags", rest))
	}
	if cfg.rows < 1 {
		bad = append(bad, fmt.Errorf("-rows is %d: allowed are 1 and more", cfg.rows))
	}
	if cfg.producers < 1 || cfg.producers > maxProducers {
		bad = append(bad, fmt.Errorf("-producers is %d: allowed are 1 to %d", cfg.producers, maxProducers))
	}
	if cfg.oneByOne < minOneByOne {
		bad = append(bad, fmt.Errorf("-one-by-one is %s: allowed are %s and more", cfg.oneByOne, minOneByOne))
	}
	return errors.Join(bad...)
}

// run does both parts in a table of its own, which it drops at the end, and
// checks that every row has arrived.
func run(ctx context.Context, cfg config, out io.Writer) (err error) {
	pool, err := pgxpool.New(ctx, cfg.dsn)
	if err != nil {
		return fmt.Errorf("POSTGRES_DSN: %w", err)
	}
	defer pool.Close()
	if err := pool.Ping(ctx); err != nil {
		return fmt.Errorf("POSTGRES_DSN: %w\nstart that server, or name another one; without POSTGRES_DSN this program says how to get one", err)
	}
	table := fmt.Sprintf("databuffer_example_%d", time.Now().UnixNano())
	if _, err := pool.Exec(ctx, "CREATE TABLE "+table+" (id bigint, name text, at timestamptz)"); err != nil {
		return err
	}
	defer func() {
		_, dropErr := pool.Exec(context.WithoutCancel(ctx), "DROP TABLE "+table)
		err = errors.Join(err, dropErr)
	}()
	db := database{pool, table}

	single, err := oneByOne(ctx, cfg, db)
	if err != nil {
		return fmt.Errorf("one by one: %w", err)
	}
	fmt.Fprintf(out, "one by one: %9.0f rows/s (%d rows in %s)\n", single.perSecond(), single.rows, single.took.Round(time.Millisecond))
	batched, err := buffered(ctx, cfg, db)
	if err != nil {
		return fmt.Errorf("buffered: %w", err)
	}
	fmt.Fprintf(out, "buffered:   %9.0f rows/s (%d rows in %s, in %d calls of COPY)\n", batched.perSecond(), batched.rows, batched.took.Round(time.Millisecond), batched.calls)
	fmt.Fprintf(out, "that is %.0f times as many\n", batched.perSecond()/single.perSecond())

	var stored int
	if err := pool.QueryRow(ctx, "SELECT count(*) FROM "+table).Scan(&stored); err != nil {
		return err
	}
	if want := single.rows + batched.rows; stored != want {
		return fmt.Errorf("%d rows are stored, %d were inserted", stored, want)
	}
	fmt.Fprintf(out, "all %d rows are stored\n", stored)
	return nil
}

// event is a row.
type event struct {
	id   int64
	name string
	at   time.Time
}

func newEvent(id int) event { return event{int64(id), "signup", time.Now()} }

type database struct {
	pool  *pgxpool.Pool
	table string
}

func (db database) insert(ctx context.Context, e event) error {
	_, err := db.pool.Exec(ctx, "INSERT INTO "+db.table+" VALUES ($1, $2, $3)", e.id, e.name, e.at)
	return err
}

// copyAll stores all events or none: COPY is one statement.
func (db database) copyAll(ctx context.Context, events []event) error {
	_, err := db.pool.CopyFrom(ctx, pgx.Identifier{db.table}, []string{"id", "name", "at"},
		pgx.CopyFromSlice(len(events), func(i int) ([]any, error) {
			e := &events[i]
			return []any{e.id, e.name, e.at}, nil
		}))
	return err
}

// result is what a part has done.
type result struct {
	rows, calls int
	took        time.Duration
}

func (r result) perSecond() float64 { return float64(r.rows) / r.took.Seconds() }

// oneByOne is what a service does without a buffer: each goroutine waits for the
// insert of its row.
func oneByOne(ctx context.Context, cfg config, db database) (result, error) {
	began := time.Now()
	done := make([]int, cfg.producers)
	errs := make([]error, cfg.producers)
	var wg sync.WaitGroup
	for g := range cfg.producers {
		wg.Go(func() {
			for time.Since(began) < cfg.oneByOne {
				if errs[g] = db.insert(ctx, newEvent(done[g])); errs[g] != nil {
					return
				}
				done[g]++
			}
		})
	}
	wg.Wait()
	r := result{took: time.Since(began)}
	for _, n := range done {
		r.rows += n
	}
	r.calls = r.rows
	return r, cmp.Or(context.Cause(ctx), cmp.Or(errs...)) // they all fail alike: one tells it
}

// buffered is the same goroutines with a buffer between them and the database.
// What COPY has refused five times ends it: somebody watches, and would see
// nothing of a buffer that waits for the database.
func buffered(ctx context.Context, cfg config, db database) (result, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var calls atomic.Int64
	events, err := buffer.New(buffer.Config[event]{
		Name: "events",
		Flusher: flusher.Items(func(ctx context.Context, events []event) error {
			calls.Add(1)
			return db.copyAll(ctx, events)
		}),
		DeadLetter: flusher.Func[event](func(_ context.Context, b flusher.Batch[event]) error {
			stop(b.Cause)
			return nil
		}),
		Partitions: 2, // each has a COPY of its own under way
		MaxSize:    10_000,
		Routing:    buffer.Sticky,
		Logger:     slog.New(slog.DiscardHandler), // the failure is what this returns
	})
	if err != nil {
		return result{}, err
	}
	began := time.Now()
	errs := make([]error, cfg.producers)
	var wg sync.WaitGroup
	for g := range cfg.producers {
		wg.Go(func() {
			for id := g; id < cfg.rows; id += cfg.producers {
				if errs[g] = events.Insert(ctx, newEvent(id)); errs[g] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	shutdownErr := events.Shutdown(last)
	r := result{rows: events.Info().Total.Delivered, calls: int(calls.Load()), took: time.Since(began)}
	return r, cmp.Or(context.Cause(ctx), cmp.Or(errs...), shutdownErr)
}
