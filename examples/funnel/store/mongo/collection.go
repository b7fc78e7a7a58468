package mongo

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/go-databuffer/databuffer/examples/funnel/store"
)

// The document's fields that a time-series collection is told of.
const (
	timeField = "time"
	metaField = "meta"
)

var seriesIndex = bson.D{{Key: metaField, Value: 1}, {Key: timeField, Value: 1}}

// description is what a server tells of a collection.
type description struct {
	Type    string `bson:"type"`
	Options struct {
		TimeSeries struct {
			TimeField string `bson:"timeField"`
			MetaField string `bson:"metaField"`
		} `bson:"timeseries"`
	} `bson:"options"`
}

// find returns nil where there is no collection.
func (s *Store) find(ctx context.Context) (*description, error) {
	cursor, err := s.database.ListCollections(ctx, bson.D{{Key: "name", Value: s.collection.Name()}})
	if err != nil {
		return nil, err
	}
	var found []description
	if err := cursor.All(ctx, &found); err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

// fits says what keeps a collection from being used. A missing one does not fit.
func (s *Store) fits(found *description) error {
	name := s.collection.Name()
	switch {
	case found == nil:
		return fmt.Errorf("there is no collection %s", name)
	case s.plain && found.Type != "collection":
		return fmt.Errorf("%s is a %s, must be an ordinary collection, as Plain is set", name, found.Type)
	case s.plain:
		return nil
	case found.Type == "collection":
		return fmt.Errorf("%s is an ordinary collection, must be a time-series collection unless Plain is set", name)
	case found.Type != "timeseries":
		return fmt.Errorf("%s is a %s, must be a time-series collection", name, found.Type)
	}
	if fields := found.Options.TimeSeries; fields.TimeField != timeField || fields.MetaField != metaField {
		return fmt.Errorf("%s has the time in %q and the series in %q, must have them in %q and %q",
			name, fields.TimeField, fields.MetaField, timeField, metaField)
	}
	return nil
}

// ensure makes the collection where it is missing. It looks at what is there
// afterwards, as a server may take the word time-series and do nothing about it.
func (s *Store) ensure(ctx context.Context) error {
	found, err := s.find(ctx)
	if err != nil {
		return err
	}
	if found != nil {
		return s.fits(found)
	}
	create := options.CreateCollection()
	if !s.plain {
		create.SetTimeSeriesOptions(options.TimeSeries().SetTimeField(timeField).SetMetaField(metaField))
	}
	if err := s.database.CreateCollection(ctx, s.collection.Name(), create); err != nil && !isExists(err) {
		if !s.plain && isUnknown(err) {
			return fmt.Errorf("%w: %w", store.ErrNoTimeSeries, err)
		}
		return err
	}
	if found, err = s.find(ctx); err != nil {
		return err
	}
	if !s.plain && found != nil && found.Type == "collection" {
		return fmt.Errorf("%w: asked for one, it made the ordinary collection %s", store.ErrNoTimeSeries, s.collection.Name())
	}
	return s.fits(found)
}

// isExists: another process has made it at the same moment.
func isExists(err error) bool {
	failure, ok := errors.AsType[mongo.CommandError](err)
	return ok && failure.Code == 48
}

// isUnknown says whether a server refused the option timeseries since it does
// not know it, rather than for its state or our rights.
func isUnknown(err error) bool {
	failure, ok := errors.AsType[mongo.CommandError](err)
	return ok && slices.Contains([]int32{
		2,     // BadValue
		9,     // FailedToParse
		59,    // CommandNotFound
		72,    // InvalidOptions: MongoDB up to 4.2
		115,   // CommandNotSupported
		238,   // NotImplemented
		303,   // an API that lacks it
		40415, // unknown field: MongoDB 4.4
	}, failure.Code)
}
