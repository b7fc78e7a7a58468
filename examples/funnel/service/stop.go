package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/examples/funnel/kafka"
	"github.com/go-databuffer/databuffer/examples/funnel/pipeline"
)

// LeftError says in readings what a Stop left that had been accepted.
type LeftError struct {
	Unsent      int // to Kafka
	Unsettled   int // consumed from Kafka, and not stored: Kafka has them still
	Undelivered int // in the buffer, and not stored
	InDoubt     int // being written when the time was over
	Dropped     int // refused by the store for good since the start
}

func (e *LeftError) Error() string {
	return fmt.Sprintf("readings left: %d not sent to Kafka, %d consumed and not stored (Kafka has them still), %d accepted and not stored, %d in doubt; %d were refused by the store",
		e.Unsent, e.Unsettled, e.Undelivered, e.InDoubt, e.Dropped)
}

// Stop ends everything in the order of a reading's way: it becomes unready,
// finishes what HTTP has begun, sends and settles what Kafka holds, writes what
// the buffer holds, and closes the store. It takes -stop-timeout at most, and a
// moment; HTTP and Kafka have a third of it each at most, so that what hangs
// there leaves time to write. What was left is a *LeftError.
func (s *Service) Stop(ctx context.Context) error {
	began := time.Now()
	part := func(share int) (context.Context, context.CancelFunc) {
		return context.WithDeadline(ctx, began.Add(s.set.StopTimeout*time.Duration(share)/3))
	}
	s.stopping.Store(true)
	s.logger.Info("stopping", slog.Duration("at_most", s.set.StopTimeout))
	if s.set.Unready > 0 {
		select {
		case <-time.After(s.set.Unready):
		case <-ctx.Done():
		}
	}
	s.endDemo()

	var left LeftError
	var errs []error
	first, cancel := part(1)
	defer cancel()
	errs = append(errs, s.stopHTTP(first))

	second, cancel := part(2)
	defer cancel()
	if s.kafka != nil {
		err := s.kafka.Shutdown(second)
		if lost, ok := errors.AsType[*kafka.ShutdownError](err); ok {
			left.Unsent, left.Unsettled = lost.Unsent, lost.Unsettled
		} else {
			errs = append(errs, err)
		}
	}

	third, cancel := part(3)
	defer cancel()
	err := s.pipeline.Shutdown(third)
	if lost, ok := errors.AsType[*buffer.ShutdownError[pipeline.Item]](err); ok {
		left.Undelivered, left.InDoubt = len(lost.Undelivered), len(lost.InDoubt)
		errs = append(errs, lost.Err)
	} else {
		errs = append(errs, err)
	}
	total := s.pipeline.Stats().Total
	left.Dropped = total.Dropped
	errs = append(errs, s.close())

	took := slog.Duration("took", time.Since(began).Round(time.Millisecond))
	if left == (LeftError{}) {
		s.logger.Info("stopped: all that was accepted is stored", slog.Int("accepted", total.Accepted), slog.Int("stored", total.Delivered),
			slog.Int("rejected_by_store", total.DeadLettered), took)
		return errors.Join(errs...)
	}
	s.logger.Error("stopped, and not all that was accepted is stored", slog.Int("accepted", total.Accepted), slog.Int("stored", total.Delivered),
		slog.Int("unsent", left.Unsent), slog.Int("unsettled", left.Unsettled), slog.Int("undelivered", left.Undelivered),
		slog.Int("in_doubt", left.InDoubt), slog.Int("dropped", left.Dropped), took)
	return errors.Join(append([]error{&left}, errs...)...)
}

// stopHTTP lets requests end, and ends those that do not.
func (s *Service) stopHTTP(ctx context.Context) error {
	var errs []error
	for _, server := range []*http.Server{s.server, s.profiler} {
		if server == nil {
			continue
		}
		err := server.Shutdown(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			s.logger.Warn("requests did not end in time, and were cut off")
			err = server.Close()
		}
		errs = append(errs, err)
	}
	s.serving.Wait()
	return errors.Join(errs...)
}

// close lets go of what holds no readings.
func (s *Service) close() error {
	var errs []error
	if s.page != nil {
		s.page.Close()
	}
	if s.store.Store != nil {
		errs = append(errs, s.store.Close())
	}
	if s.observe != nil {
		ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
		defer cancel()
		errs = append(errs, s.observe.Shutdown(ctx))
	}
	return errors.Join(append(errs, s.removeData())...)
}

// abort ends what a Start has begun that failed. Nothing was accepted yet.
func (s *Service) abort() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.set.StopTimeout)
	defer cancel()
	var errs []error
	if s.listener != nil {
		errs = append(errs, s.listener.Close())
	}
	if s.profiling != nil {
		errs = append(errs, s.profiling.Close())
	}
	if s.kafka != nil {
		errs = append(errs, s.kafka.Shutdown(ctx))
	}
	if s.pipeline != nil {
		errs = append(errs, s.pipeline.Shutdown(ctx))
	}
	return errors.Join(append(errs, s.close())...)
}
