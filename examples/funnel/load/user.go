package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/go-databuffer/databuffer/examples/funnel/reading"
)

// user sends one request after another, with readings of sensors of its own. Its
// goroutine owns all fields.
type user struct {
	run     *run
	random  *rand.Rand
	sensors []int
	names   []string // of sensors
	taken   expected

	at     time.Time // of the first reading of the request, and the others a microsecond later each
	values []float64
	body   []byte
	next   int // index in sensors of the request's first reading
}

func newUser(r *run, number int) *user {
	u := &user{run: r, random: rand.New(rand.NewPCG(rand.Uint64(), uint64(number))), taken: make(expected), values: make([]float64, r.set.Batch)}
	for sensor := number; sensor < r.set.Sensors; sensor += r.set.Users {
		u.sensors = append(u.sensors, sensor)
		u.names = append(u.names, r.name(sensor))
	}
	return u
}

// work sends until the time is over. A request that has begun is seen through, so
// that it is known what became of it.
func (u *user) work(ctx context.Context) {
	for sent := 1; u.run.wait(ctx); sent++ {
		u.compose()
		u.deliver(ctx)
		if u.run.set.QueryEvery > 0 && sent%u.run.set.QueryEvery == 0 && ctx.Err() == nil {
			u.ask()
		}
	}
}

// compose makes the next request's body, a JSON array.
func (u *user) compose() {
	u.at = time.Now().UTC().Truncate(time.Microsecond)
	u.body = append(u.body[:0], '[')
	for i := range u.values {
		u.values[i] = float64(u.random.IntN(8000)) / 8
		u.body = reading.Append(u.body, reading.Reading{
			Sensor: u.names[(u.next+i)%len(u.names)], Metric: reading.DefaultMetric,
			Value: u.values[i], Time: u.at.Add(time.Duration(i) * time.Microsecond),
		})
		u.body = append(u.body, ',')
	}
	u.body[len(u.body)-1] = ']'
}

// deliver sends the request, again where it is refused, and counts what was taken.
func (u *user) deliver(ctx context.Context) {
	for {
		began := time.Now()
		wait, err := u.post()
		switch {
		case err != nil:
			u.run.fail(err)
			return
		case wait > 0:
			u.run.refused.Add(1)
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				return
			}
			continue
		}
		u.run.took(time.Since(began), len(u.values))
		for i, value := range u.values {
			u.taken.add(u.sensors[(u.next+i)%len(u.sensors)], u.at.Add(time.Duration(i)*time.Microsecond), value)
		}
		u.next = (u.next + len(u.values)) % len(u.sensors)
		return
	}
}

// post sends the request once. It returns how long to wait where it was refused.
func (u *user) post() (wait time.Duration, err error) {
	address, status := u.run.set.URL+"/v1/readings", http.StatusAccepted
	if u.run.set.Stored {
		address, status = address+"?ack=stored", http.StatusOK
	}
	request, err := http.NewRequest(http.MethodPost, address, bytes.NewReader(u.body))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "application/json")
	code, header, body, err := u.run.do(request)
	switch {
	case err != nil:
		return 0, err
	case code == status, code == http.StatusAccepted: // with -stored: taken, and stored by another funnel
		return 0, nil
	case code == http.StatusTooManyRequests:
		seconds, err := strconv.Atoi(header.Get("Retry-After"))
		if err != nil || seconds < 1 {
			return 0, fmt.Errorf("429 with Retry-After %q", header.Get("Retry-After"))
		}
		return time.Duration(seconds) * time.Second, nil
	}
	return 0, answered(code, body)
}

// ask asks for the last minutes of one of the user's sensors.
func (u *user) ask() {
	now := time.Now().UTC()
	began := now
	_, err := u.run.aggregates(u.names[u.random.IntN(len(u.names))], now.Add(-5*time.Minute), now)
	if err != nil {
		u.run.fail(err)
		return
	}
	u.run.asked(time.Since(began))
}

// bucket is one of those that /v1/aggregates answers with.
type bucket struct {
	Start               time.Time
	Count               int64
	Min, Max, Mean, Sum float64
}

// aggregates asks for a sensor's buckets, by minute.
func (r *run) aggregates(sensor string, from, to time.Time) ([]bucket, error) {
	query := url.Values{
		"sensor": {sensor}, "granularity": {"minute"},
		"from": {from.Format(time.RFC3339Nano)}, "to": {to.Format(time.RFC3339Nano)},
	}
	request, err := http.NewRequest(http.MethodGet, r.set.URL+"/v1/aggregates?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	code, _, body, err := r.do(request)
	if err != nil {
		return nil, err
	}
	if code != http.StatusOK {
		return nil, answered(code, body)
	}
	var answer struct{ Buckets []bucket }
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("the answer to a query: %w", err)
	}
	return answer.Buckets, nil
}

// do sends a request and reads the whole answer, so that the connection is used
// again.
func (r *run) do(request *http.Request) (code int, header http.Header, body []byte, err error) {
	if r.set.Token != "" {
		request.Header.Set("Authorization", "Bearer "+r.set.Token)
	}
	response, err := r.client.Do(request)
	if err != nil {
		return 0, nil, nil, err
	}
	body, err = io.ReadAll(response.Body)
	return response.StatusCode, response.Header, body, errors.Join(err, response.Body.Close())
}

func answered(code int, body []byte) error {
	return fmt.Errorf("answered %d: %.200s", code, bytes.TrimSpace(body))
}
