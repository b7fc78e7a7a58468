package mongo

import (
	"context"
	"errors"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/go-databuffer/databuffer/examples/funnel/store"
	"github.com/go-databuffer/databuffer/flusher"
)

// verdict gathers what became of the rows of one insert, by their indexes.
type verdict struct {
	rows   []store.Row
	places []int // of those that were sent; nil for all

	final, retry           []int
	finalCause, retryCause error
	repeated               []int // refused as duplicates
	duplicate              error // the refusal
}

func newVerdict(rows []store.Row, places []int) *verdict {
	return &verdict{rows: rows, places: places}
}

// place is the index of the document that was sent as the i-th.
func (v *verdict) place(i int) int {
	if v.places == nil {
		return i
	}
	return v.places[i]
}

// doubt takes all rows for not stored that no other reason is known of: what
// the servers have not agreed on may be lost again.
func (v *verdict) doubt(cause error) {
	failed := map[int]bool{}
	for _, place := range slices.Concat(v.final, v.retry) {
		failed[place] = true
	}
	sent := len(v.rows)
	if v.places != nil {
		sent = len(v.places)
	}
	for i := range sent {
		if place := v.place(i); !failed[place] {
			v.retry = append(v.retry, place)
		}
	}
	v.retryCause = errors.Join(v.retryCause, cause)
}

func (v *verdict) err() error {
	var final, retry error
	if len(v.final) > 0 {
		final = flusher.Partial(flusher.Permanent(v.finalCause), v.final...)
	}
	if len(v.retry) > 0 {
		retry = flusher.Partial(v.retryCause, v.retry...)
	}
	return errors.Join(final, retry)
}

// keysAtOnce keeps a question within the size of a message.
const keysAtOnce = 10_000

// stored returns which of the keys of rows at places are there.
func (s *Store) stored(ctx context.Context, rows []store.Row, places []int) (map[store.Key]bool, error) {
	there := make(map[store.Key]bool, len(places))
	for some := range slices.Chunk(places, keysAtOnce) {
		keys := make([]key, len(some))
		for i, place := range some {
			keys[i] = keyOf(&rows[place])
		}
		if err := s.addStored(ctx, keys, there); err != nil {
			return nil, err
		}
	}
	return there, nil
}

func (s *Store) addStored(ctx context.Context, keys []key, there map[store.Key]bool) error {
	cursor, err := s.collection.Find(ctx, one("_id", one("$in", keys)), options.Find().SetProjection(one("_id", 1)))
	if err != nil {
		return err
	}
	defer cursor.Close(ctx)
	for cursor.Next(ctx) {
		var found struct {
			ID key `bson:"_id"`
		}
		if err := cursor.Decode(&found); err != nil {
			return err
		}
		stored := store.Key{Index: found.ID.Index}
		copy(stored.Origin[:], found.ID.Origin.Data)
		there[stored] = true
	}
	return cursor.Err()
}

func keyOf(row *store.Row) key {
	return key{bson.Binary{Data: row.Key.Origin[:]}, row.Key.Index}
}
