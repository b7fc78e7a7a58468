package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/go-databuffer/databuffer/flusher"
)

// Sender is a Flusher that posts each batch as one JSON array. It calls the API
// at most as often as Limit allows. It is for one batch at a time.
type Sender struct {
	URL    string
	Client *http.Client
	Limit  *rate.Limiter

	calls, slowed atomic.Int64
}

// Flush posts a batch. What the API answers decides what becomes of it:
//
//   - 2xx: delivered, if it is the answer to a POST: a Client that follows a 301,
//     302 or 303 asks the new address with a GET, which takes no events there
//   - 429 and 503: again, no sooner than Retry-After says
//   - 400, 413 and 422: given up, since the same call would be refused again
//   - anything else, or no answer: again, after a backoff; a wrong password or
//     address (401, 403, 404, a redirect) is mended by somebody, and the events
//     wait for it
func (s *Sender) Flush(ctx context.Context, batch flusher.Batch[Event]) error {
	// The wait counts as part of the attempt: FlushTimeout bounds it.
	if err := s.Limit.Wait(ctx); err != nil {
		return err
	}
	body, err := json.Marshal(batch.Items)
	if err != nil {
		return flusher.Permanent(err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, bytes.NewReader(body))
	if err != nil {
		return flusher.Permanent(err)
	}
	request.Header.Set("Content-Type", "application/json")
	// The same on every attempt over the same events: an API that knows the key
	// takes a batch once though it arrives twice.
	request.Header.Set("Idempotency-Key", batch.ID.String())

	s.calls.Add(1)
	response, err := s.Client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 1<<20)) // so that the connection is used again
	return s.judge(response)
}

func (s *Sender) judge(response *http.Response) error {
	code := response.StatusCode
	err := fmt.Errorf("the API answered %s", response.Status)
	switch asked := response.Request; {
	case asked.Method != http.MethodPost:
		return fmt.Errorf("the API has moved, and the redirect to %s lost the events: send them to that address", asked.URL.Redacted())
	case code >= 200 && code < 300:
		return nil
	case code == http.StatusTooManyRequests, code == http.StatusServiceUnavailable:
		s.slowed.Add(1)
		return flusher.RetryAfter(err, retryAfter(response.Header.Get("Retry-After"), time.Now()))
	case code == http.StatusBadRequest, code == http.StatusRequestEntityTooLarge, code == http.StatusUnprocessableEntity:
		return flusher.Permanent(err)
	default:
		return err
	}
}

// retryAfter is how long the header asks to wait: a number of seconds, or a date
// (RFC 9110, section 10.2.3). Anything else is no wish, and the backoff decides.
// More seconds than a Duration can hold are as many as it can.
func retryAfter(header string, now time.Time) time.Duration {
	const most = int64(math.MaxInt64 / time.Second)
	seconds, err := strconv.ParseInt(header, 10, 64)
	if err == nil || errors.Is(err, strconv.ErrRange) { // seconds is the nearest that fits
		return time.Duration(min(max(seconds, 0), most)) * time.Second
	}
	if date, err := http.ParseTime(header); err == nil {
		return max(date.Sub(now), 0)
	}
	return 0
}
