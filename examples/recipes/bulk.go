package recipes

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/go-databuffer/databuffer/flusher"
)

// encode makes a line of JSON of each event. The error names those that cannot be
// encoded, so that only they are given up.
func encode(events []Event) (lines []byte, refused error) {
	var failed []error
	for i, event := range events {
		line, err := json.Marshal(event)
		if err != nil {
			failed = append(failed, flusher.Partial(flusher.Permanent(err), i))
			continue
		}
		lines = append(append(lines, line...), '\n')
	}
	return lines, errors.Join(failed...)
}

// PostRows writes each batch as JSON, a line for each row, in one request: as
// ClickHouse and others with a bulk interface over HTTP take it.
func PostRows(client *http.Client, server string) flusher.Func[Event] {
	insert := server + "/?query=" + url.QueryEscape("INSERT INTO events FORMAT JSONEachRow")
	return func(ctx context.Context, batch flusher.Batch[Event]) error {
		rows, refused := encode(batch.Items)
		if len(rows) == 0 {
			return refused
		}
		// The ID is the same on every attempt: a server that knows it stores a batch
		// once though it arrives twice.
		request, err := http.NewRequestWithContext(ctx, http.MethodPost,
			insert+"&insert_deduplication_token="+batch.ID.String(), bytes.NewReader(rows))
		if err != nil {
			return flusher.Permanent(err)
		}
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		err = fmt.Errorf("the server answered %s", response.Status)
		switch code := response.StatusCode; {
		case code < 300:
			return refused
		case code == http.StatusTooManyRequests || code == http.StatusServiceUnavailable:
			seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
			return flusher.RetryAfter(err, time.Duration(seconds)*time.Second)
		case code == http.StatusBadRequest || code == http.StatusRequestEntityTooLarge || code == http.StatusUnprocessableEntity:
			return flusher.Permanent(err)
		default: // such as 401, 403 and 404: somebody mends the password or makes the table, and the rows wait
			return err
		}
	}
}
