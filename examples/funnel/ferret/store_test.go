package ferret_test

import (
	"context"
	"crypto/rand"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/go-databuffer/databuffer/examples/funnel/reading"
	"github.com/go-databuffer/databuffer/examples/funnel/store"
	"github.com/go-databuffer/databuffer/examples/funnel/store/mongo"
	"github.com/go-databuffer/databuffer/examples/funnel/store/storetest"
	"github.com/go-databuffer/databuffer/flusher"
)

// fresh is a collection of this test's own, which does not exist yet, and a
// view of it beside the store's.
func fresh(t testing.TB) (mongo.Config, *driver.Collection) {
	config := mongo.Config{URI: uri, Database: "test" + rand.Text(), Collection: "readings", Plain: true}
	client, err := driver.Connect(options.Client().ApplyURI(uri))
	require.NoError(t, err)
	database := client.Database(config.Database)
	t.Cleanup(func() {
		require.NoError(t, database.Drop(context.Background()))
		require.NoError(t, client.Disconnect(context.Background()))
	})
	return config, database.Collection(config.Collection)
}

func open(t testing.TB, config mongo.Config) *mongo.Store {
	s, err := mongo.Open(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestStore(t *testing.T) {
	var mu sync.Mutex
	views := map[store.Store]*driver.Collection{}
	storetest.Run(t, func(t testing.TB) store.Store {
		config, view := fresh(t)
		s := open(t, config)
		mu.Lock()
		defer mu.Unlock()
		views[s] = view
		return s
	}, storetest.Options{ReadBack: func(t testing.TB, s store.Store, sensor, metric string) []reading.Reading {
		mu.Lock()
		view := views[s]
		mu.Unlock()
		return readBack(t, view, sensor, metric)
	}})
}

func readBack(t testing.TB, from *driver.Collection, sensor, metric string) []reading.Reading {
	cursor, err := from.Find(t.Context(), bson.D{
		{Key: "meta.sensor", Value: bson.D{{Key: "$eq", Value: sensor}}},
		{Key: "meta.metric", Value: bson.D{{Key: "$eq", Value: metric}}},
	})
	if !assert.NoError(t, err) {
		return nil
	}
	var found []struct {
		Time   time.Time
		Micros int64
		Value  float64
	}
	assert.NoError(t, cursor.All(t.Context(), &found))
	readings := make([]reading.Reading, len(found))
	for i, of := range found {
		readings[i] = reading.Reading{
			Sensor: sensor, Metric: metric, Value: of.Value,
			Time: of.Time.Add(time.Duration(of.Micros) * time.Microsecond),
		}
	}
	return readings
}

func rows(n int) []store.Row {
	rows := make([]store.Row, n)
	for i := range rows {
		rows[i] = store.Row{
			Reading: reading.Reading{
				Sensor: "a", Metric: "b", Value: float64(i), Time: time.Date(2026, 1, 2, 3, 4, i, 567_000, time.UTC),
			},
			Key: store.Key{Origin: [16]byte{1: 2}, Index: int64(i)},
		}
	}
	return rows
}

func TestDocument(t *testing.T) {
	config, view := fresh(t)
	s := open(t, config)
	require.NoError(t, s.Write(t.Context(), rows(1)))
	var found bson.Raw
	require.NoError(t, view.FindOne(t.Context(), bson.D{}).Decode(&found))
	text, err := bson.MarshalExtJSON(found, true, false)
	require.NoError(t, err)
	require.JSONEq(t, `{
		"_id": {"origin": {"$binary": {"base64": "AAIAAAAAAAAAAAAAAAAAAA==", "subType": "00"}}, "index": {"$numberLong": "0"}},
		"time": {"$date": {"$numberLong": "1767323040000"}},
		"micros": {"$numberInt": "567"},
		"meta": {"sensor": "a", "metric": "b"},
		"value": {"$numberDouble": "0.0"}
	}`, string(text))
}

// An insert after the refusal would make an ordinary collection.
func TestNoTimeSeries(t *testing.T) {
	config, view := fresh(t)
	config.Plain = false
	for range 2 {
		s, err := mongo.Open(t.Context(), config)
		require.ErrorIs(t, err, store.ErrNoTimeSeries)
		require.Nil(t, s)
	}
	names, err := view.Database().ListCollectionNames(t.Context(), bson.D{})
	require.NoError(t, err)
	require.Empty(t, names, "made though it was not asked for")
}

func TestOrdinaryCollectionIsThere(t *testing.T) {
	config, view := fresh(t)
	_, err := view.InsertOne(t.Context(), bson.D{{Key: "mine", Value: 1}})
	require.NoError(t, err)
	config.Plain = false
	_, err = mongo.Open(t.Context(), config)
	require.ErrorContains(t, err, "ordinary collection")
	config.Plain = true
	s := open(t, config)
	require.NoError(t, s.Ping(t.Context()))
	count, err := view.CountDocuments(t.Context(), bson.D{})
	require.NoError(t, err)
	require.EqualValues(t, 1, count, "it is as it was")
}

// The server makes a dropped collection anew at the next write, without what
// Open made: Ping tells.
func TestDroppedCollection(t *testing.T) {
	config, view := fresh(t)
	s := open(t, config)
	require.NoError(t, s.Ping(t.Context()))
	require.NoError(t, view.Drop(t.Context()))
	require.ErrorContains(t, s.Ping(t.Context()), "there is no collection readings")
}

// An index of somebody else refuses some rows for ever.
func TestRefusedRows(t *testing.T) {
	config, view := fresh(t)
	s := open(t, config)
	_, err := view.Indexes().CreateOne(t.Context(), driver.IndexModel{
		Keys: bson.D{{Key: "value", Value: 1}}, Options: options.Index().SetUnique(true),
	})
	require.NoError(t, err)
	all := rows(6)
	all[3].Value = all[1].Value
	err = s.Write(t.Context(), all)
	require.Error(t, err, "the row has a key of its own, and so is not stored already")
	verdict := flusher.Inspect(err, len(all))
	require.Equal(t, []int{3}, verdict.Permanent)
	require.Empty(t, verdict.Retry)
	require.Len(t, readBack(t, view, "a", "b"), 5)
}

func TestRepeatedAndRejectedRows(t *testing.T) {
	config, view := fresh(t)
	s := open(t, config)
	all := rows(8)
	require.NoError(t, s.Write(t.Context(), all[2:5]))
	all[0].Sensor, all[6].Sensor = "", "\xff"
	err := s.Write(t.Context(), all)
	require.Equal(t, []int{0, 6}, flusher.Inspect(err, len(all)).Permanent, "%v", err)
	require.Len(t, readBack(t, view, "a", "b"), 6)
}

func TestServerGone(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())
	_, err = mongo.Open(t.Context(), mongo.Config{
		URI: "mongodb://" + address + "/?serverSelectionTimeoutMS=300", Database: "a", Collection: "b",
	})
	require.Error(t, err)
	require.NotErrorIs(t, err, store.ErrNoTimeSeries)
}

func BenchmarkWrite(b *testing.B) {
	storetest.BenchmarkWrite(b, func(b testing.TB) store.Store {
		config, _ := fresh(b)
		s, err := mongo.Open(b.Context(), config)
		require.NoError(b, err)
		return s
	})
}
