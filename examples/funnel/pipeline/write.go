package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-databuffer/databuffer/examples/funnel/store"
	"github.com/go-databuffer/databuffer/flusher"
)

// write is the Flusher: it gives the items their keys, writes them, and tells
// the Trackers of those that are stored.
func (p *Pipeline) write(ctx context.Context, batch flusher.Batch[Item]) error {
	rows := p.rows.get()
	defer p.rows.put(rows)
	for i := range batch.Items {
		item := &batch.Items[i]
		row := store.Row{Reading: item.Reading, Key: item.Key}
		if item.Key == (store.Key{}) {
			row.Key = store.Key{Origin: batch.ID, Index: int64(i)}
		}
		*rows = append(*rows, row)
	}
	a := p.begin(batch.Items)
	defer p.end(a) // also when the store panics, and nothing is stored

	limited, cancel := context.WithTimeoutCause(ctx, p.timeout, flusher.ErrTimeout)
	defer cancel()
	began := time.Now()
	err := p.store.Write(limited, *rows)
	took := time.Since(began)
	if err != nil && context.Cause(limited) == flusher.ErrTimeout {
		err = fmt.Errorf("%w: %w", flusher.ErrTimeout, err)
	}

	stored := a.stored(err)
	p.recent.add(len(batch.Items), began.Sub(batch.Oldest), took, err)
	if err != nil && p.recent.mayLog(time.Now()) {
		p.logger.LogAttrs(ctx, slog.LevelWarn, "the store did not take a batch: what it did not refuse for good is tried again",
			slog.Int("readings", len(batch.Items)), slog.Int("stored", stored), slog.Int("partition", batch.Partition),
			slog.Int("attempt", batch.Attempt), slog.Duration("took", took), slog.Any("error", err))
	}
	return err
}

// reject is the dead letter. The attempt behind which nothing follows tells the
// Trackers, however it ends.
func (p *Pipeline) reject(ctx context.Context, batch flusher.Batch[Item]) (err error) {
	a := p.begin(batch.Items)
	a.all(batch.Cause)
	defer p.end(a)
	if p.rejected == nil {
		return flusher.Permanent(errors.New("pipeline: Config.Rejected is not set")) // counted as dropped, and logged by the buffer
	}
	limited, cancel := context.WithTimeoutCause(ctx, p.timeout, flusher.ErrTimeout)
	defer cancel()
	if err = p.rejected(limited, batch.Items, batch.Cause); err == nil {
		return nil
	}
	err = fmt.Errorf("%w, and was not taken as rejected: %v", batch.Cause, err) // no longer a Partial: all or nothing
	if batch.Attempt >= p.lastRejection {
		a.all(err)
		return flusher.Permanent(err)
	}
	a.outcome = nil
	return errors.New(err.Error())
}
