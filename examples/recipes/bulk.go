package recipes

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/go-databuffer/databuffer/flusher"
)

// PostRows writes each batch as JSON, a line for each row, in one request: as
// ClickHouse and others with a bulk interface over HTTP take it.
func PostRows(client *http.Client, server string) flusher.Func[Event] {
	insert := server + "/?query=" + url.QueryEscape("INSERT INTO events FORMAT JSONEachRow")
	return func(ctx context.Context, batch flusher.Batch[Event]) error {
		var rows bytes.Buffer
		lines := json.NewEncoder(&rows)
		for _, event := range batch.Items {
			if err := lines.Encode(event); err != nil {
				return flusher.Permanent(err)
			}
		}
		// The ID is the same on every attempt: a server that knows it stores a batch
		// once though it arrives twice.
		request, err := http.NewRequestWithContext(ctx, http.MethodPost,
			insert+"&insert_deduplication_token="+batch.ID.String(), &rows)
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
			return nil
		case code == http.StatusTooManyRequests || code == http.StatusServiceUnavailable:
			seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
			return flusher.RetryAfter(err, time.Duration(seconds)*time.Second)
		case code >= 400 && code < 500:
			return flusher.Permanent(err)
		default:
			return err
		}
	}
}
