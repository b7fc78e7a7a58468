package recipes

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/go-databuffer/databuffer/flusher"
)

// Produce writes each event as a record of the client's topic, and says which
// records the broker did not take: only those are sent again.
func Produce(client *kgo.Client) flusher.Func[Event] {
	return flusher.Items(func(ctx context.Context, events []Event) error {
		var failed []error
		var records []*kgo.Record
		index := make(map[*kgo.Record]int) // in events
		for i, event := range events {
			value, err := json.Marshal(event)
			if err != nil {
				failed = append(failed, flusher.Partial(flusher.Permanent(err), i))
				continue
			}
			record := kgo.SliceRecord(value)
			records, index[record] = append(records, record), i
		}
		for _, result := range client.ProduceSync(ctx, records...) {
			if result.Err == nil {
				continue
			}
			err := result.Err
			if errors.Is(err, kerr.MessageTooLarge) {
				err = flusher.Permanent(err)
			}
			failed = append(failed, flusher.Partial(err, index[result.Record]))
		}
		return errors.Join(failed...)
	})
}
