package recipes

import (
	"context"
	"fmt"

	"github.com/go-databuffer/databuffer/flusher"
)

// Objects writes each batch as one object, in a folder for the hour. The name is
// the batch's ID, so that a second attempt replaces what the first has written,
// and nothing is stored twice.
func Objects(put func(ctx context.Context, name string, content []byte) error) flusher.Func[Event] {
	return func(ctx context.Context, batch flusher.Batch[Event]) error {
		content, refused := encode(batch.Items)
		if len(content) == 0 {
			return refused
		}
		name := fmt.Sprintf("events/%s/%s.ndjson", batch.Oldest.UTC().Format("2006/01/02/15"), batch.ID)
		if err := put(ctx, name, content); err != nil {
			return err
		}
		return refused
	}
}
