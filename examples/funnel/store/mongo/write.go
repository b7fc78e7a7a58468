package mongo

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/go-databuffer/databuffer/examples/funnel/store"
)

// document is a reading as it is stored.
type document struct {
	ID     key       `bson:"_id"`
	Time   time.Time `bson:"time"`
	Micros int32     `bson:"micros"`
	Meta   series    `bson:"meta"`
	Value  float64   `bson:"value"`
}

// key has two fields rather than one of 24 bytes, as a time-series collection
// keeps numbers that follow one another in next to no space.
type key struct {
	Origin bson.Binary `bson:"origin"`
	Index  int64       `bson:"index"`
}

type series struct {
	Sensor string `bson:"sensor"`
	Metric string `bson:"metric"`
}

func documentOf(row *store.Row) document {
	micros := row.Time.UnixMicro()
	return document{
		ID:     keyOf(row),
		Time:   time.UnixMilli(micros / 1000),
		Micros: int32(micros % 1000),
		Meta:   series{row.Sensor, row.Metric},
		Value:  row.Value,
	}
}

// Write implements store.Store by one unordered insert, so that a document that
// the server refuses does not keep the others out. Each refused one is in a
// flusher.Partial: Permanent where the server will never take it, else to be
// retried. An error that is no Partial leaves open what is stored. In an
// ordinary collection, a key that is stored already is no error.
func (s *Store) Write(ctx context.Context, rows []store.Row) error {
	if s.closed.Load() {
		return store.ErrClosed
	}
	if len(rows) == 0 {
		return ctx.Err()
	}
	kept, places, rejected := store.Sift(rows, store.Check)
	if len(kept) == 0 {
		return rejected
	}
	documents := make([]document, len(kept))
	for i := range kept {
		documents[i] = documentOf(&kept[i])
	}
	_, err := s.collection.InsertMany(ctx, documents, options.InsertMany().SetOrdered(false))
	return s.outcome(ctx, err, rows, places, rejected)
}
